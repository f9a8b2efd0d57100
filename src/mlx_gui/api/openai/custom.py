"""Custom tools, which take any text: the model sees a function with the one argument `input`."""

import json
import re
from typing import Any, Literal, cast

import msgspec

from mlx_gui.core.errors import InvalidRequest
from mlx_gui.core.generation import Grammar, Tool

Syntax = Literal["lark", "regex"]

_BEGIN = re.compile(r'\s{0,99}\{\s{0,99}"input"\s{0,99}:\s{0,99}"')
_PIECE = re.compile(
    r"""[^"\\]+
    | \\u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}
    | \\u[0-9a-fA-F]{4}
    | \\[^u]""",
    re.VERBOSE,
)
_HIGH_SURROGATE = re.compile(r"\\u[dD][89abAB]..")
_ESCAPE_CHARACTERS = len(r"\uffff")


def custom_tool(
    name: str, description: str | None, *, syntax: Syntax | None, definition: str | None
) -> Tool:
    """The tool `name`; its text is to match `definition`, a grammar in `syntax`, where given."""
    said = "The whole input as plain text."
    if definition is not None:
        said += f" It must match this {syntax} grammar:\n{definition}"
    parameters = {
        "type": "object",
        "properties": {"input": {"type": "string", "description": said}},
        "required": ["input"],
        "additionalProperties": False,
    }
    grammar = Grammar(syntax, definition) if syntax is not None and definition is not None else None
    return Tool(name, description or "", parameters, grammar=grammar)


def checked_grammar(
    kind: str, syntax: Syntax | None, definition: str | None, *, where: str
) -> tuple[Syntax | None, str | None]:
    """Syntax and definition of a format of this kind, text or grammar. Raises InvalidRequest."""
    if kind == "text":
        return None, None
    for name, given in (("syntax", syntax), ("definition", definition)):
        if not given:
            raise InvalidRequest(
                f"`{where}.{name}` is required for the type grammar.",
                hint="Send `syntax` (lark or regex) and `definition`, or the type text.",
                param=f"{where}.{name}",
            )
    return syntax, definition


def arguments_of(text: str) -> str:
    """The arguments of the function that stands for a call with the input `text`."""
    return msgspec.json.encode({"input": text}).decode()


def input_of(arguments: str) -> str:
    """The text that a call with these arguments amounts to, whatever the model made of them."""
    text = InputText()
    return text.feed(arguments) + text.finish()


class InputText:
    """Unwraps the input of a call while its arguments are written.

    The pieces are those of the text. Of arguments that do not begin as they should, it all comes
    at the end.
    """

    def __init__(self) -> None:
        self._left = ""
        self._begun = False
        self._ended = False

    def feed(self, arguments: str) -> str:
        """More of the text, as far as more of the arguments says it."""
        self._left += arguments
        if not self._begun and (begin := _BEGIN.match(self._left)):
            self._begun = True
            self._left = self._left[begin.end() :]
        return self._decoded(final=False) if self._begun else ""

    def finish(self) -> str:
        """The rest of the text."""
        return self._decoded(final=True) if self._begun else _text_in(self._left)

    def _decoded(self, *, final: bool) -> str:
        """What is complete of the string; an escape that is cut off waits for its rest."""
        pieces: list[str] = []
        place = 0
        while not self._ended and (piece := _PIECE.match(self._left, place)):
            if not final and self._may_be_half(piece.group(), end=piece.end()):
                break
            pieces.append(_unescaped(piece.group()))
            place = piece.end()
        self._ended = self._ended or self._left.startswith('"', place)
        self._left = "" if self._ended else self._left[place:]
        return "".join(pieces)

    def _may_be_half(self, piece: str, *, end: int) -> bool:
        """Whether `piece`, up to `end`, is half a character whose other half may follow."""
        if _HIGH_SURROGATE.fullmatch(piece) is None:
            return False
        rest = self._left[end : end + _ESCAPE_CHARACTERS]
        return rest == "" or (rest.startswith("\\") and len(rest) < _ESCAPE_CHARACTERS)


def _unescaped(piece: str) -> str:
    """A piece of a JSON string as text; what is no escape of JSON stays as it is."""
    if not piece.startswith("\\"):
        return piece
    try:
        text = cast(str, json.loads(f'"{piece}"'))
    except ValueError:
        return piece
    return "\N{REPLACEMENT CHARACTER}" if "\ud800" <= text <= "\udfff" else text


def _text_in(arguments: str) -> str:
    """The text in arguments of another shape: their `input`, their only text, or all of them."""
    try:
        value: Any = json.loads(arguments)
    except (RecursionError, ValueError):
        return arguments
    if isinstance(value, str):
        found: object = value
    elif isinstance(value, dict):
        values = cast(dict[str, object], value)
        found = values.get("input", next(iter(values.values())) if len(values) == 1 else None)
    else:
        found = None
    if not isinstance(found, str):
        return arguments
    return found.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
