"""Finding markers in text that is cut anywhere."""

import re
from collections.abc import Sequence

_TOKEN = re.compile(
    r"<[\w|/:\N{FULLWIDTH VERTICAL LINE}\N{LOWER ONE EIGHTH BLOCK}]+>|\[/?[A-Z][A-Z_]+\]"
)


def tokens_in(text: str) -> list[str]:
    """The parts of `text` that vocabularies tend to have as tokens of their own."""
    return _TOKEN.findall(text)


def first_of(markers: Sequence[str], text: str, begin: int = 0) -> tuple[int, str]:
    """Where the first of `markers` stands, and which; the longest of those; "" if none is there."""
    found = [
        (at, -len(marker), marker) for marker in markers if (at := text.find(marker, begin)) >= 0
    ]
    if not found:
        return len(text), ""
    at, _, marker = min(found)
    return at, marker


def settled(markers: Sequence[str], text: str) -> int:
    """How many characters of `text` surely belong to none of `markers`, none being whole in it."""
    return len(text) - max((_overlap(text, marker) for marker in markers), default=0)


def _overlap(text: str, marker: str) -> int:
    lengths = range(min(len(marker) - 1, len(text)), 0, -1)
    return next((length for length in lengths if text.endswith(marker[:length])), 0)
