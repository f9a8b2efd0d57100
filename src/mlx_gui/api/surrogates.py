"""Half a surrogate pair in JSON: an escape of half a character, without that of the other half.

JavaScript writes `"\\ud83d"` where a text was cut within an emoji. It is no character, and nothing
that is UTF-8 can hold it.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass

import msgspec

_HIGH = rb"\\u[dD][89abAB][0-9a-fA-F]{2}"
_LOW = rb"\\u[dD][c-fC-F][0-9a-fA-F]{2}"
_HALF = re.compile(
    rb"\\u[dD](?:[89abAB][0-9a-fA-F]{2}(?!%b)|[c-fC-F][0-9a-fA-F]{2}(?<!%b%b))"
    % (_LOW, _HIGH, _LOW)
)
"""It begins with what is searched for fast: a body may have megabytes without any."""
_REPLACEMENT = rb"\ufffd"
_PAIR_BYTES = 2 * len(_REPLACEMENT)
_STEP_BYTES = 64 * 1024
"""As much is searched at once: nobody else has a turn meanwhile."""
_MARKS = re.compile(rb"[\[\]{},]")


@dataclass(frozen=True, slots=True)
class Half:
    """One half: its escape as it is written, where that begins, and the keys and indices that lead
    to its string. `in_key`: the string is a key of what they lead to."""

    escape: str
    at_byte: int
    path: tuple[str | int, ...]
    in_key: bool


def without_halves(body: bytes) -> bytes:
    """`body` with U+FFFD for each half, as Go's JSON has it; as long as before."""
    mended = bytearray(body)
    for found in _halves(body):
        mended[found.start() : found.end()] = _REPLACEMENT
    return bytes(mended)


def first_half(body: bytes) -> Half:
    """The first half in `body`, which is JSON but for halves and has some."""
    found = next(_halves(body))
    path = _path(body, found.start())
    in_key = bool(path) and path[-1] is None
    steps = tuple(step for step in path if step is not None)
    return Half(found[0].decode(), found.start(), steps, in_key)


def _halves(body: bytes) -> Iterator[re.Match[bytes]]:
    text = _without_backslashes(body)
    for start in range(0, len(text), _STEP_BYTES):
        end = start + _STEP_BYTES
        # What begins before the end is looked at whole; whether it is a pair's second is seen, too.
        for found in _HALF.finditer(text, start, end + _PAIR_BYTES):
            if found.start() < end:
                yield found


def _path(body: bytes, place: int) -> list[str | int | None]:
    """What leads to the string around `place`; None at its end where a key is to come."""
    pieces = _without_backslashes(body[:place]).replace(rb"\"", b"__").split(b'"')
    path: list[str | int | None] = []
    start = 0
    # The last one is the string itself, and every other one another string.
    for number, piece in enumerate(pieces[:-1]):
        if number % 2 == 0:
            for mark in _MARKS.findall(piece):
                _follow(mark, path)
        elif path and path[-1] is None:
            path[-1] = msgspec.json.decode(body[start - 1 : start + len(piece) + 1], type=str)
        start += len(piece) + 1
    return path


def _follow(mark: bytes, path: list[str | int | None]) -> None:
    match mark:
        case b"{":
            path.append(None)
        case b"[":
            path.append(0)
        case b",":
            last = path[-1]
            path[-1] = last + 1 if isinstance(last, int) else None
        case _:
            path.pop()


def _without_backslashes(text: bytes) -> bytes:
    """`text` with something as long for the backslashes that stand for themselves."""
    return text.replace(rb"\\", b"__")
