"""How a store builds a file: what it answers to a question for some bytes, read as a stranger's.

A file is a sequence of terms, each a run of chunks out of a xorb, which is a bundle of chunks. What
a term needs of a xorb lies at an address, as a range of bytes there.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass

import msgspec

from mlx_gui.core.errors import HubAnswer

_HASH = re.compile(r"[0-9a-f]{64}")
_MOST_XORB_BYTES = 80 * 1024 * 1024
"""A xorb has 64 MiB at most, and its chunks' headers besides."""
_MOST_CHUNKS = 64 * 1024
_MOST_TERMS = 64 * 1024
_SPARE_BYTES = 8 * 1024 * 1024


class Run(msgspec.Struct, frozen=True):
    """From `start` to `end`: of chunks half open, of bytes with the last one."""

    start: int
    end: int


class Term(msgspec.Struct, frozen=True):
    """A run of chunks of the xorb `hash`, and what they are unpacked."""

    hash: str
    unpacked_length: int
    range: Run


class Offer(msgspec.Struct, frozen=True):
    """Where the bytes of a run of chunks are."""

    range: Run
    url: str
    url_range: Run


class _Said(msgspec.Struct, frozen=True):
    offset_into_first_range: int
    terms: list[Term]
    fetch_info: dict[str, list[Offer]]


@dataclass(frozen=True, slots=True)
class Plan:
    """What builds the bytes that were asked for. `offers` are what its terms need, with their xorb.

    What comes of them unpacks to `most_bytes` at most.
    """

    offset: int
    terms: tuple[Term, ...]
    offers: tuple[tuple[str, Offer], ...]

    @property
    def most_bytes(self) -> int:
        # Chunks that no term needs may come with those that one does.
        return 2 * sum(term.unpacked_length for term in self.terms) + _SPARE_BYTES

    def encoded(self, address: Callable[[int], str]) -> bytes:
        """The same as an answer, with other addresses: those of `offers`, by their place."""
        found: dict[str, list[Offer]] = {}
        for place, (xorb, offer) in enumerate(self.offers):
            moved = Offer(offer.range, address(place), offer.url_range)
            found.setdefault(xorb, []).append(moved)
        return msgspec.json.encode(_Said(self.offset, list(self.terms), found))


def read_plan(body: bytes, span: tuple[int, int]) -> Plan:
    """What a store answers for the bytes of `span`. Raises HubAnswer where it makes no sense.

    It must give all of them, with nothing before and behind that is not of the same chunks' runs.
    """
    try:
        said = msgspec.json.decode(body, type=_Said)
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError) as error:
        raise _nonsense("is no plan of a file") from error
    if not 0 < len(said.terms) <= _MOST_TERMS:
        raise _nonsense(f"has {len(said.terms)} parts")
    offers: dict[tuple[str, Offer], None] = {}
    for term in said.terms:
        if not _HASH.fullmatch(term.hash) or not 0 < term.unpacked_length <= _MOST_XORB_BYTES:
            raise _nonsense("has a part that cannot be")
        offers[term.hash, _offer(term, said.fetch_info.get(term.hash, []))] = None
    given_bytes = sum(term.unpacked_length for term in said.terms) - said.offset_into_first_range
    wanted_bytes = span[1] - span[0]
    if not 0 <= said.offset_into_first_range < said.terms[0].unpacked_length:
        raise _nonsense("begins nowhere")
    if given_bytes < wanted_bytes or given_bytes - said.terms[-1].unpacked_length >= wanted_bytes:
        raise _nonsense(f"gives {given_bytes} bytes where {wanted_bytes} were asked for")
    return Plan(said.offset_into_first_range, tuple(said.terms), tuple(offers))


def _offer(term: Term, offers: list[Offer]) -> Offer:
    """Where the chunks of `term` are to be had."""
    chunks = term.range
    for offer in offers:
        if offer.range.start <= chunks.start < chunks.end <= offer.range.end:
            length = offer.url_range.end - offer.url_range.start + 1
            if (
                offer.range.start < 0
                or offer.range.end > _MOST_CHUNKS
                or offer.url_range.start < 0
                or not 0 < length <= _MOST_XORB_BYTES
            ):
                break
            return offer
    raise _nonsense("does not say where its parts are")


def _nonsense(what: str) -> HubAnswer:
    return HubAnswer(
        f"What the hub's Xet store answers {what}.",
        hint="Try again later; something between here and the store may change what it says.",
    )
