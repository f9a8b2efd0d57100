"""Calls that are told while they are written, although no grammar holds them to a form.

Once the name of a tool and the `{` of its arguments are there, it is a call, however it goes on.
"""

import copy
import json
import re
from collections.abc import Collection

from mlx_gui.parsers.base import CallArguments, CallBegan, OpenedCall, Piece
from mlx_gui.parsers.json_text import ARGUMENT_KEYS, NAME_KEYS, JsonEnd
from mlx_gui.parsers.markers import settled

_SPACE = " \t\r\n"
_S = f"[{_SPACE}]*"
_OBJECT = re.compile(
    rf'{_S}\{{{_S}"(?:{"|".join(NAME_KEYS)})"{_S}:{_S}"([\w.-]+)"{_S},'
    rf'{_S}"(?:{"|".join(ARGUMENT_KEYS)})"{_S}:{_S}(?=\{{)'
)
_LIST = re.compile(rf"{_S}\[(?={_S}\{{)")
_CONTROL = re.compile(r"[\x00-\x1f]")


def opened_json(text: str, *, begin: int, start: str, end: str) -> OpenedCall | None:
    """The call that an object, or the first of an array, begins with from `begin` on.

    None as long as that has not been written, and for a call that goes another way. The block is
    between `start` and `end`.
    """
    bracket = _LIST.match(text, begin)
    head = _OBJECT.match(text, bracket.end() if bracket else begin)
    if head is None:
        return None
    in_list = bracket is not None
    return OpenedCall(head[1], head.end(), start, end, in_object=True, in_list=in_list)


class StreamedCalls:
    """Reads on from where the arguments of `opened` begin, to the end of its block.

    Arguments end with their JSON, at the end marker if that stands outside of their strings, and
    with the text. An end marker inside a string ends them only if a new block, or nothing, follows.
    """

    def __init__(self, opened: OpenedCall, names: Collection[str]) -> None:
        self._opened = opened
        self._names = names
        self._text = ""
        self._stage = "arguments"
        self._arguments = _Arguments()
        # Of the arguments as they go on if the end marker that is pending is part of a string.
        self._doubtful: JsonEnd | None = None
        # In front of the end of the block, and no part of its calls.
        self._loose = ""
        # How much of the pending text has been looked at.
        self._looked = 0
        self._outer = JsonEnd(depth=1)

    def feed(self, text: str) -> tuple[list[Piece], str | None]:
        """What `text` completes, and what is left of it once the block is over."""
        self._text += text
        pieces: list[Piece] = []
        while self._step(pieces):
            pass
        return pieces, self._loose + self._text if self._stage == "over" else None

    def finish(self) -> tuple[list[Piece], str]:
        """What was held back, and the text that belongs to no call, once no more comes."""
        if self._stage == "arguments" and self._doubtful is None:
            rest, _ = self._arguments.feed(self._text)
            self._text = ""
            return [CallArguments(rest)] if rest else [], ""
        if self._doubtful is not None or self._stage == "closing":
            self._cut(len(self._opened.end))
        return [], self._loose + self._text

    def _step(self, pieces: list[Piece]) -> bool:
        match self._stage:
            case "arguments" if self._doubtful is not None:
                return self._in_doubt(self._doubtful, pieces)
            case "arguments":
                return self._in_arguments(pieces)
            case "object":
                return self._in_object()
            case "list":
                return self._in_list(pieces)
            case "end":
                return self._at_end()
            case "closing":
                return self._close()
            case _:
                return False

    def _in_arguments(self, pieces: list[Piece]) -> bool:
        at, certain = self._marker()
        written, length = self._arguments.feed(self._text[:certain])
        if written:
            pieces.append(CallArguments(written))
        self._cut(certain if length is None else length)
        if length is not None:
            self._stage = "object" if self._opened.in_object else "over"
            self._outer = JsonEnd(depth=1)
            return True
        if at < 0:
            return False
        if self._arguments.in_string:
            self._doubtful = self._arguments.fork()
            return True
        return self._close()

    def _in_doubt(self, json_end: JsonEnd, pieces: list[Piece]) -> bool:
        """The pending text begins with an end marker that may be part of a string."""
        end, start = self._opened.end, self._opened.start
        length = json_end.feed(self._text[self._looked :])
        again = self._text.find(start, max(len(end), self._looked - len(start)))
        if length is not None and not 0 <= again < self._looked + length:
            whole = self._looked + length
            written, _ = self._arguments.feed(self._text[:whole])
            pieces.append(CallArguments(written))
            self._cut(whole)
            self._doubtful = None
            self._stage = "object" if self._opened.in_object else "over"
            return True
        if again >= 0:
            self._doubtful = None
            return self._close()
        self._looked = len(self._text)
        return False

    def _in_object(self) -> bool:
        """Other members of the object that the call is are passed over; what is none stays text."""
        at, certain = self._marker()
        length = self._outer.feed(self._text[self._looked : certain])
        if length is not None:
            passed = self._text[: self._looked + length]
            self._cut(len(passed))
            if not _are_members(passed):
                self._loose = passed
                self._stage = "end"
            else:
                self._stage = "list" if self._opened.in_list else "end"
            return True
        self._looked = certain
        if at < 0:
            return False
        self._loose = self._text[:at]
        self._cut(at)
        return self._close()

    def _in_list(self, pieces: list[Piece]) -> bool:
        text = self._text.lstrip(_SPACE)
        if text.startswith("]"):
            self._text = text[1:]
            self._stage = "end"
            return True
        head = _OBJECT.match(text, 1) if text.startswith(",") else None
        if head is not None and head[1] in self._names:
            pieces.append(CallBegan(head[1]))
            self._text = text[head.end() :]
            self._arguments = _Arguments()
            self._stage = "arguments"
            return True
        inner = text[1:].lstrip(_SPACE)
        undecided = not text or (text[0] == "," and head is None and inner[:1] in ("", "{"))
        if undecided and JsonEnd().feed(inner) is None and self._marker()[0] < 0:
            return False
        self._stage = "over"
        return False

    def _at_end(self) -> bool:
        """The end marker may be missing."""
        end, text = self._opened.end, self._text.lstrip(_SPACE)
        if end and text.startswith(end):
            self._text = text
            return self._close()
        if not end or not end.startswith(text):
            self._stage = "over"
        return False

    def _close(self) -> bool:
        """Pass over the end marker, which the pending text begins with.

        It is missing if the start marker of the next block only begins like it.
        """
        start, end = self._opened.start, self._opened.end
        if start.startswith(end) and len(self._text) < len(start) and start.startswith(self._text):
            self._stage = "closing"
            return False
        self._cut(0 if start.startswith(end) and self._text.startswith(start) else len(end))
        self._stage = "over"
        return False

    def _marker(self) -> tuple[int, int]:
        """Where the end marker stands, -1 for nowhere, and how much of the text it leaves alone."""
        end = self._opened.end
        if not end:
            return -1, len(self._text)
        at = self._text.find(end)
        return at, settled((end,), self._text) if at < 0 else at

    def _cut(self, length: int) -> None:
        self._text = self._text[length:]
        self._looked = 0


def _are_members(rest: str) -> bool:
    """Whether `rest` ends an object, perhaps after more of its members."""
    try:
        return isinstance(json.loads(f'{{"": 0{rest}', strict=False), dict)
    except (ValueError, RecursionError):
        return False


class _Arguments:
    """The JSON of arguments; control characters in its strings, which models write, are escaped."""

    def __init__(self) -> None:
        self._json_end = JsonEnd()

    @property
    def in_string(self) -> bool:
        return self._json_end.in_string

    def fork(self) -> JsonEnd:
        """Goes on from here without these."""
        return copy.copy(self._json_end)

    def feed(self, text: str) -> tuple[str, int | None]:
        """What `text` reads as, and how much of it belongs to the arguments if they end in it."""
        written: list[str] = []
        at = 0
        for control in _CONTROL.finditer(text):
            length = self._json_end.feed(text[at : control.start()])
            if length is not None:
                return "".join([*written, text[at : at + length]]), at + length
            written.append(text[at : control.start()])
            written.append(json.dumps(control[0])[1:-1] if self.in_string else control[0])
            self._json_end.feed(control[0])
            at = control.end()
        length = self._json_end.feed(text[at:])
        if length is None:
            return "".join([*written, text[at:]]), None
        return "".join([*written, text[at : at + length]]), at + length
