"""Thoughts and calls between markers, which are most dialects."""

from collections.abc import Sequence

from mlx_gui.core.generation import Tool
from mlx_gui.parsers.base import (
    Block,
    BlockReader,
    CallArguments,
    CallBegan,
    CallSyntax,
    Piece,
    Text,
)
from mlx_gui.parsers.markers import first_of, settled
from mlx_gui.parsers.streamed import StreamedCalls

_SPACE = " \t\r\n"
_SPACE_CHARACTERS = 64
"""So much white space next to a marker is dropped, and held back until it is clear."""


class PlainAnswer:
    """Everything is content, untouched."""

    thinking = False

    def feed(self, text: str) -> list[Piece]:
        return [Text("content", text)] if text else []

    def finish(self) -> list[Piece]:
        return []


class MarkedAnswer:
    """Splits at markers, which never come out, and neither does the white space next to them.

    Held back is what may still become a marker, white space that a marker may follow, and a block
    of calls until its first call is opened; see `streamed`. What is not opened is held until it is
    whole and known to be good. A bad one comes out as content, in its place.
    """

    def __init__(
        self,
        *,
        thought: tuple[str, str] | None,
        calls: CallSyntax | None,
        tools: Sequence[Tool],
        thinking: bool,
    ) -> None:
        self.thinking = thinking
        self._thought: tuple[str, ...] = thought or ()
        self._calls = calls
        self._starts = calls.starts if calls is not None else ()
        self._heads = calls.heads if calls is not None else ()
        self._tools = tools
        self._names = {tool.name for tool in tools}
        self._pending = ""
        # So many characters of what is pending are known to begin no call.
        self._inert = 0
        # White space that is dropped from the beginning of the text that comes next.
        self._trim = "\n" if thinking else ""
        self._at_head = True
        self._block: BlockReader | None = None
        self._start = ""
        self._streamed: StreamedCalls | None = None
        # White space pending in front of the block.
        self._space = 0

    def feed(self, text: str) -> list[Piece]:
        pieces: list[Piece] = []
        if self._streamed is not None:
            self._stream(*self._streamed.feed(text), pieces)
        else:
            self._pending += text
            if self._block is not None:
                self._in_block(self._block, text, pieces)
        self._read(pieces)
        return pieces

    def finish(self) -> list[Piece]:
        pieces: list[Piece] = []
        while self._block is not None or self._streamed is not None:
            if self._streamed is not None:
                self._stream(*self._streamed.finish(), pieces)
            elif self._block is not None:
                self._end_block(self._block.finish(), pieces)
            self._read(pieces)
        self._emit(len(self._pending), pieces)
        return pieces

    def _read(self, pieces: list[Piece]) -> None:
        more = True
        while more and self._block is None and self._streamed is None:
            if self._trim:
                self._cut(len(self._pending) - len(self._pending.lstrip(self._trim)))
            more = self._in_thought(pieces) if self.thinking else self._in_content(pieces)

    def _in_thought(self, pieces: list[Piece]) -> bool:
        """Take one step; False when it needs more text."""
        at, marker = first_of(self._thought, self._pending)
        if not marker:
            self._release(self._thought, "\n", pieces)
            return False
        self._emit(_shown(self._pending[:at], "\n"), pieces)
        self._turn(marker)
        return True

    def _in_content(self, pieces: list[Piece]) -> bool:
        space = len(self._pending) - len(self._pending.lstrip(_SPACE))
        self._emit(max(0, space - _SPACE_CHARACTERS), pieces)
        if self._at_head and not self._inert:
            text = self._pending.lstrip(_SPACE)
            head = next((head for head in self._heads if text.startswith(head)), None)
            if head is not None:
                return self._begin_block(head, len(self._pending) - len(text), pieces)
            if any(head.startswith(text) for head in self._heads):
                return False
        at, marker = first_of(self._thought, self._pending)
        start, opening = first_of(self._starts, self._pending, self._inert)
        if opening and start < at:
            return self._begin_block(opening, start, pieces)
        if not marker:
            self._release((*self._thought, *self._starts), _SPACE, pieces)
            return False
        if not self._at_head or self._pending[:at].strip(_SPACE):
            self._emit(at, pieces)
        self._turn(marker)
        return True

    def _turn(self, marker: str) -> None:
        """Pass over a marker of thoughts; one that changes nothing is passed over as well."""
        self._cut(self._pending.index(marker) + len(marker))
        self.thinking = marker == self._thought[0]
        self._trim = "\n"
        self._at_head = True

    def _begin_block(self, start: str, at: int, pieces: list[Piece]) -> bool:
        assert self._calls is not None
        self._emit(_shown(self._pending[:at], _SPACE), pieces)
        self._space = len(self._pending) - len(self._pending.lstrip(_SPACE))
        self._start = start
        self._block = self._calls.reader(start, self._tools)
        self._in_block(self._block, self._pending[self._space :], pieces)
        return True

    def _in_block(self, block: BlockReader, text: str, pieces: list[Piece]) -> None:
        """`text` is what the block has not read yet."""
        assert self._calls is not None
        whole = self._pending[self._space :]
        opened = self._calls.opened(self._start, whole)
        if opened is None or opened.name not in self._names:
            self._end_block(block.feed(text), pieces)
            return
        self._block = None
        self._cut(len(self._pending))
        pieces.append(CallBegan(opened.name))
        self._streamed = StreamedCalls(opened, self._names)
        self._stream(*self._streamed.feed(whole[opened.at :]), pieces)

    def _stream(self, told: Sequence[Piece], left: str | None, pieces: list[Piece]) -> None:
        """Take over what a streamed block told; its end is there if something is `left`."""
        pieces += told
        if left is not None:
            self._streamed = None
            self._pending = left
            self._trim = _SPACE
            self._at_head = True

    def _end_block(self, block: Block | None, pieces: list[Piece]) -> None:
        if block is None:
            return
        self._block = None
        length = self._space + block.length
        if not block.calls or any(call.name not in self._names for call in block.calls):
            self._inert = length
            return
        for call in block.calls:
            pieces += (CallBegan(call.name), CallArguments(call.arguments))
        self._cut(length)
        self._trim = _SPACE
        self._at_head = True

    def _release(self, markers: Sequence[str], space: str, pieces: list[Piece]) -> None:
        """Give out what no marker can be part of, up to white space that one may follow."""
        certain = self._pending[: settled(markers, self._pending)]
        self._emit(_shown(certain, space), pieces)

    def _emit(self, length: int, pieces: list[Piece]) -> None:
        if not length:
            return
        pieces.append(Text("reasoning" if self.thinking else "content", self._pending[:length]))
        self._cut(length)
        self._trim = ""
        self._at_head = False

    def _cut(self, length: int) -> None:
        self._pending = self._pending[length:]
        self._inert = max(0, self._inert - length)


def _shown(text: str, space: str) -> int:
    """How much of `text` is shown when a marker follows."""
    return max(len(text.rstrip(space)), len(text) - _SPACE_CHARACTERS)
