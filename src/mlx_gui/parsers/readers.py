"""Readers of one block of calls: up to an end marker, or to the end of its JSON."""

from collections.abc import Callable, Sequence

from mlx_gui.parsers.base import Block, Call, CutString, NotACall
from mlx_gui.parsers.json_text import JsonEnd

Parse = Callable[[str], Sequence[Call]]
"""The calls in the text between two markers. Raises NotACall."""

_SPACE = " \t\r\n"


class MarkerReader:
    """Reads up to an end marker. `first` are the characters that the text between may begin with.

    An end marker inside a string of the arguments does not count. With `end_optional` a block that
    is whole but for its end marker counts at the end of the text.
    """

    def __init__(
        self, start: str, end: str, parse: Parse, *, first: str = "", end_optional: bool = True
    ) -> None:
        self._start = start
        self._end = end
        self._parse = parse
        self._first = first
        self._end_optional = end_optional
        self._text = ""
        self._searched = len(start)
        # Behind the first end marker that may have stood inside a string.
        self._doubtful = 0

    def feed(self, text: str) -> Block | None:
        self._text += text
        if self._first:
            body = self._text[len(self._start) :].lstrip(_SPACE)
            if body and body[0] not in self._first:
                return Block(len(self._text) - len(body))
            self._first = "" if body else self._first
        while True:
            at = self._text.find(self._end, self._searched)
            until = len(self._text) if at < 0 else at
            if self._doubtful and self._text.find(self._start, self._searched, until) >= 0:
                return Block(self._doubtful)
            if at < 0:
                margin = max(len(self._start), len(self._end)) - 1
                self._searched = max(self._searched, len(self._text) - margin)
                return None
            length = at + len(self._end)
            try:
                return Block(length, tuple(self._parse(self._text[len(self._start) : at])))
            except CutString:
                self._doubtful = self._doubtful or length
                self._searched = length
            except NotACall:
                return Block(length)

    def finish(self) -> Block:
        if self._doubtful:
            return Block(self._doubtful)
        if self._end_optional:
            try:
                calls = self._parse(self._text[len(self._start) :])
                return Block(len(self._text), tuple(calls))
            except NotACall:
                pass
        return Block(len(self._text))


class JsonReader:
    """Reads one object or array; `skip` characters of the start marker do not belong to it."""

    def __init__(self, skip: int, parse: Parse) -> None:
        self._parse = parse
        self._text = ""
        self._begin = skip
        self._scanned: int | None = None
        self._json_end = JsonEnd()

    def feed(self, text: str) -> Block | None:
        self._text += text
        if self._scanned is None:
            body = self._text[self._begin :].lstrip(_SPACE)
            self._begin = len(self._text) - len(body)
            if not body:
                return None
            if body[0] not in "{[":
                return Block(self._begin)
            self._scanned = self._begin
        length = self._json_end.feed(self._text[self._scanned :])
        if length is None:
            self._scanned = len(self._text)
            return None
        end = self._scanned + length
        try:
            return Block(end, tuple(self._parse(self._text[self._begin : end])))
        except NotACall:
            return Block(end)

    def finish(self) -> Block:
        return Block(len(self._text))
