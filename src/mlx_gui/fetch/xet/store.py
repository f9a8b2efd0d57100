"""Asks the store in which a hub keeps its files as Xet does, by a key that the hub gives."""

import threading
import time
from collections.abc import Generator
from contextlib import contextmanager

import httpx
import msgspec

from mlx_gui.core.errors import HubAnswer, ModelNotOnHub
from mlx_gui.fetch.asking import Answer, Asker, Expired, Misfit
from mlx_gui.fetch.small import content_of
from mlx_gui.fetch.xet.plan import Offer, Plan, read_plan

_LONGEST_KEY = 8192
_SPARE_S = 60
"""A key that is good for less time is left for a new one."""


class _Said(msgspec.Struct, frozen=True):
    key: str = msgspec.field(name="accessToken")
    url: str = msgspec.field(name="casUrl")
    expires_s: int = msgspec.field(name="exp")


class _Access(msgspec.Struct, frozen=True):
    key: str
    place: httpx.URL
    expires_s: int


class Store:
    """Safe to use from several threads. The hub's token goes to the hub, the store's key to it.

    Everything raises HubUnreachable and FetchFailed where another try may help, HubAnswer where
    none does, Misfit for what makes no sense, and GatedModel.
    """

    def __init__(self, asker: Asker, access_url: str) -> None:
        self._asker = asker
        self._access_url = access_url
        self._lock = threading.Lock()
        self._kept: _Access | None = None

    def plan(self, file_hash: str, span: tuple[int, int]) -> Plan:
        """What builds the bytes of `span`. Raises Expired when a new key is none either."""
        access = self._access()
        try:
            return self._plan(access, file_hash, span)
        except Expired:
            access = self._access(instead_of=access)
        return self._plan(access, file_hash, span)

    @contextmanager
    def open(self, offer: Offer) -> Generator[Answer]:
        """The bytes that a plan offers. Raises Expired too: the next one has another address."""
        place = self._asker.border.follow(self._access().place, offer.url)
        with self._asker.open_at(place, span=_half_open(offer)) as answer:
            if answer.whole:
                raise Misfit(
                    HubAnswer(f"{place.host} gave all of a file where a part was asked for.")
                )
            yield answer

    def _plan(self, access: _Access, file_hash: str, span: tuple[int, int]) -> Plan:
        folder = access.place.path.rstrip("/")
        place = access.place.copy_with(path=f"{folder}/v1/reconstructions/{file_hash}")
        with self._asker.open_at(place, span=span, key=access.key, ranged=False) as answer:
            body = content_of(answer, str(place))
        try:
            return read_plan(body, span)
        except HubAnswer as error:
            raise Misfit(error) from error

    def _access(self, *, instead_of: _Access | None = None) -> _Access:
        with self._lock:
            kept = self._kept
            if kept is None or kept is instead_of or kept.expires_s < time.time() + _SPARE_S:
                self._kept = kept = self._ask_for_access()
            return kept

    def _ask_for_access(self) -> _Access:
        try:
            with self._asker.open(self._access_url) as answer:
                body = content_of(answer, self._access_url)
            said = msgspec.json.decode(body, type=_Said)
        except ModelNotOnHub as error:
            raise HubAnswer(
                "The hub gives no key to a Xet store.",
                hint="Perhaps it is a mirror that has none: set `xet` to off, and take a repo "
                "whose files are smaller.",
            ) from error
        except (msgspec.DecodeError, RecursionError, UnicodeDecodeError) as error:
            raise Misfit(HubAnswer("The hub's answer holds no key to its Xet store.")) from error
        if not 0 < len(said.key) <= _LONGEST_KEY or not _fits_a_header(said.key):
            raise Misfit(HubAnswer("The hub gives a key to its Xet store that can be none."))
        if not said.url.startswith(("https://", "http://")):
            # Taken as a path it would send the store's key to the hub.
            raise Misfit(HubAnswer("The hub gives no address of its Xet store."))
        place = self._asker.border.follow(httpx.URL(self._access_url), said.url)
        return _Access(said.key, place.copy_with(query=None, fragment=None), said.expires_s)


def _half_open(offer: Offer) -> tuple[int, int]:
    return offer.url_range.start, offer.url_range.end + 1


def _fits_a_header(key: str) -> bool:
    return key.isascii() and key.isprintable() and " " not in key
