"""Calls that an answer has made already: a small model that may call on repeats itself for ever."""

import json

from mlx_gui.parsers.base import CallArguments, CallBegan, Piece
from mlx_gui.parsers.json_text import JsonEnd


class Repeats:
    """Passes on the pieces of one answer up to the first call that was made before.

    That is one of the same name with the same arguments, as JSON. A call is held back while it
    reads like the beginning of an earlier one, and told from where it differs. `over` is set once
    a call was repeated, which is told only if it was written in another way.
    """

    def __init__(self) -> None:
        self.over = False
        self._made: dict[str, list[str]] = {}
        self._known: set[tuple[str, str]] = set()
        self._name = ""
        self._written = ""
        # Of the earlier arguments, those that these may still become; None once the call is told.
        self._like: list[str] | None = None
        self._json_end = JsonEnd()

    def pass_on(self, piece: Piece) -> list[Piece]:
        """What is to be told now that `piece` has come."""
        match piece:
            case CallBegan(name):
                self._name, self._written, self._json_end = name, "", JsonEnd()
                self._like = self._made.get(name)
                return [piece] if self._like is None else []
            case CallArguments(text):
                return self._arguments(text)
            case _:
                return [piece]

    def _arguments(self, text: str) -> list[Piece]:
        at = len(self._written)
        self._written += text
        if self._json_end.feed(text) is not None:
            self._complete()
        if self._like is None:
            return [CallArguments(text)]
        self._like = [made for made in self._like if made.startswith(text, at)]
        if self._like:
            return []
        self._like = None
        return [CallBegan(self._name), CallArguments(self._written)]

    def _complete(self) -> None:
        call = (self._name, _canonical(self._written))
        if call in self._known:
            self.over = True
            return
        self._known.add(call)
        # Not in place: what the call is compared with are those before it.
        self._made[self._name] = [*self._made.get(self._name, ()), self._written]


def _canonical(arguments: str) -> str:
    """The same for all texts of one JSON value; text that is no JSON is its own."""
    try:
        return json.dumps(json.loads(arguments, parse_float=_number), sort_keys=True)
    except (RecursionError, ValueError):
        return arguments


def _number(text: str) -> float | int:
    value = float(text)
    return int(value) if value.is_integer() else value
