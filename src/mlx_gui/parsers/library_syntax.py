"""Dialects that the library has a parser for."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, cast

from mlx_gui.core.errors import PROGRAM_ERRORS
from mlx_gui.core.generation import Tool
from mlx_gui.parsers.base import (
    BlockReader,
    Call,
    CallForm,
    LibraryTools,
    NotACall,
    OpenedCall,
)
from mlx_gui.parsers.json_text import call_of, calls_of
from mlx_gui.parsers.markers import tokens_in
from mlx_gui.parsers.readers import MarkerReader
from mlx_gui.parsers.tagged import HERMES, json_form


@dataclass(frozen=True, slots=True)
class LibrarySyntax:
    """See `base.CallSyntax`."""

    library: LibraryTools

    @property
    def starts(self) -> tuple[str, ...]:
        return (self.library.start,)

    @property
    def heads(self) -> tuple[str, ...]:
        return ()

    @property
    def form(self) -> CallForm:
        """JSON between the dialect's own markers: its own bodies are not all for a grammar."""
        if self.library.start.endswith((">", "]")):
            return json_form(self.library.start, self.library.end)
        return HERMES.form

    @property
    def markers(self) -> tuple[str, ...]:
        return tuple(tokens_in(self.library.start + self.library.end))

    def reader(self, start: str, tools: Sequence[Tool]) -> BlockReader:
        return MarkerReader(
            start,
            self.library.end,
            _Parse(self.library, [openai_tool(tool) for tool in tools]),
            end_optional=False,
        )

    def opened(self, start: str, text: str) -> OpenedCall | None:
        return None


def openai_tool(tool: Tool) -> dict[str, Any]:
    """A tool as templates and parsers take it."""
    return {
        "type": "function",
        "function": {
            "name": tool.name,
            "description": tool.description,
            "parameters": tool.parameters or {"type": "object", "properties": {}},
        },
    }


@dataclass(frozen=True, slots=True)
class _Parse:
    library: LibraryTools
    tools: list[dict[str, Any]]

    def __call__(self, text: str) -> Sequence[Call]:
        try:
            return calls_of(text)
        except NotACall:
            pass
        try:
            parsed = self.library.parse(text, self.tools)
        except PROGRAM_ERRORS as error:
            raise NotACall(str(error)) from error
        found = cast(Sequence[object], parsed) if isinstance(parsed, list) else [parsed]
        return [_checked(each) for each in found]


def _checked(parsed: object) -> Call:
    if not isinstance(parsed, Mapping):
        raise NotACall("no call")
    call = cast(Mapping[str, object], parsed)
    return call_of(call.get("name"), call.get("arguments"))
