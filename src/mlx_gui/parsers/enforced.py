"""Calls that a grammar allows in one form only: they come out while they are written."""

from collections.abc import Collection, Iterable

from mlx_gui.parsers.base import AnswerParser, CallArguments, CallBegan, CallForm, Piece, Text
from mlx_gui.parsers.json_text import JsonEnd

_TEXT_STAGES = ("before", "name", "content")


class FormReader:
    """Reads calls of tools with certain names, in exactly one form.

    Text that is not in it is content from there on.
    """

    def __init__(self, form: CallForm, names: Collection[str]) -> None:
        self._form = form
        self._heads = {name + form.before_arguments: name for name in names}
        self._text = ""
        # What stands in front of the name of the call that comes next.
        self._expected = form.opening + form.before_name
        self._stage = "before"
        self._json_end = JsonEnd()

    def feed(self, text: str) -> list[Piece]:
        self._text += text
        pieces: list[Piece] = []
        while self._step(pieces):
            pass
        return pieces

    def finish(self) -> list[Piece]:
        """What is left, unless it is but the punctuation behind the calls.

        A call that was cut off inside of its name is text, with its markers.
        """
        left, self._text = self._text, ""
        if self._stage == "name":
            left = self._expected + left
        return [Text("content", left)] if left and self._stage in _TEXT_STAGES else []

    def _step(self, pieces: list[Piece]) -> bool:
        match self._stage:
            case "before":
                return self._before(pieces)
            case "name":
                return self._name(pieces)
            case "arguments":
                return self._arguments(pieces)
            case "after":
                return self._after()
            case _:
                if self._text:
                    pieces.append(Text("content", self._text))
                    self._text = ""
                return False

    def _before(self, pieces: list[Piece]) -> bool:
        written = self._text.lstrip()
        if written.startswith(self._expected):
            self._text = written[len(self._expected) :]
            self._stage = "name"
            return True
        if not self._expected.startswith(written):
            self._stage = "content"
            return True
        return False

    def _name(self, pieces: list[Piece]) -> bool:
        head = next((head for head in self._heads if self._text.startswith(head)), None)
        if head is not None:
            pieces.append(CallBegan(self._heads[head]))
            self._text = self._text[len(head) :]
            self._json_end = JsonEnd()
            self._stage = "arguments"
            return True
        if any(head.startswith(self._text) for head in self._heads):
            return False
        self._text = self._expected + self._text
        self._stage = "content"
        return True

    def _arguments(self, pieces: list[Piece]) -> bool:
        if not self._text:
            return False
        length = self._json_end.feed(self._text)
        arguments = self._text[:length]
        pieces.append(CallArguments(arguments))
        self._text = self._text[len(arguments) :]
        if length is None:
            return False
        self._stage = "after"
        return True

    def _after(self) -> bool:
        _, found, rest = self._text.partition(self._form.before_name)
        if not found:
            return False
        self._text = rest
        self._expected = self._form.before_name
        self._stage = "name"
        return True


class EnforcedAnswer:
    """Perhaps a thought, and then calls or content, in which no marker of thoughts counts."""

    def __init__(self, thought: AnswerParser, form: CallForm, names: Collection[str]) -> None:
        self._thought = thought
        self._calls = FormReader(form, names)
        self._in_calls = False

    @property
    def thinking(self) -> bool:
        return not self._in_calls and self._thought.thinking

    def feed(self, text: str) -> list[Piece]:
        pieces: list[Piece] = []
        # One by one: behind the first letter of content, nothing is a marker.
        for place, letter in enumerate(text):
            if self._in_calls:
                return [*pieces, *self._calls.feed(text[place:])]
            for piece in self._sorted(self._thought.feed(letter)):
                _join(pieces, piece)
        return pieces

    def finish(self) -> list[Piece]:
        if not self._in_calls:
            return [*self._sorted(self._thought.finish()), *self._calls.finish()]
        return self._calls.finish()

    def _sorted(self, pieces: Iterable[Piece]) -> list[Piece]:
        sorted_pieces: list[Piece] = []
        for piece in pieces:
            if isinstance(piece, Text) and piece.channel == "content":
                begun, self._in_calls = self._in_calls, True
                sorted_pieces += self._calls.feed(piece.text)
                if not begun:
                    sorted_pieces += self._sorted(self._thought.finish())
            else:
                sorted_pieces.append(piece)
        return sorted_pieces


def _join(pieces: list[Piece], piece: Piece) -> None:
    """Add `piece`, to the last one if that is a thought as well."""
    match pieces[-1:], piece:
        case [Text("reasoning", before)], Text("reasoning", text):
            pieces[-1] = Text("reasoning", before + text)
        case _:
            pieces.append(piece)
