"""Long texts in pieces that a model takes, cut where nobody hears it."""

import re
from collections.abc import Callable, Iterator

BLOCK_CHARACTERS = 4096
_SENTENCE_END = re.compile(r"[.!?\u2026]['\"\u201d\u2019)]*\s|\n|[\u3002\uff01\uff1f]")


def blocks(text: str, *, longest: int = BLOCK_CHARACTERS) -> Iterator[str]:
    """`text` in blocks of whole sentences, each with something in it.

    One of at most `longest` characters stays as it is.
    """
    while len(text) > longest:
        head = text[:longest]
        ends = [found.end() for found in _SENTENCE_END.finditer(head)]
        at = ends[-1] if ends else head.rfind(" ") + 1 or longest
        if block := text[:at].strip():
            yield block
        text = text[at:]
    if text.strip():
        yield text


def cut_to(text: str, longest: int, length: Callable[[str], int]) -> Iterator[str]:
    """`text` in pieces of a `length` of at most `longest`, cut between words if there are any."""
    if length(text) <= longest or len(text) < 2:
        yield text
        return
    middle = len(text) // 2
    at = text.rfind(" ", 1, middle)
    if at < 0:
        at = text.find(" ", middle, -1)
    if at < 0:
        at = middle
    for half in (text[:at].strip(), text[at:].strip()):
        if half:
            yield from cut_to(half, longest, length)
