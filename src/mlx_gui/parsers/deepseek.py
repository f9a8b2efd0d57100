"""DeepSeek: V3 and R1 with fenced JSON, V3.1 with bare JSON behind the name."""

import re
from collections.abc import Sequence
from dataclasses import dataclass

from mlx_gui.core.generation import Tool
from mlx_gui.parsers.base import BlockReader, Call, CallForm, NotACall, OpenedCall
from mlx_gui.parsers.json_text import object_text
from mlx_gui.parsers.readers import MarkerReader


def _marker(words: str) -> str:
    bar = "\N{FULLWIDTH VERTICAL LINE}"
    return f"<{bar}{words}{bar}>".replace(" ", "\N{LOWER ONE EIGHTH BLOCK}")


CALLS_BEGIN = _marker("tool calls begin")
_CALLS_END = _marker("tool calls end")
_BEGIN = _marker("tool call begin")
_END = _marker("tool call end")
_SEPARATOR = _marker("tool sep")

_ONE = re.compile(f"{_BEGIN}(.*?){_END}", re.DOTALL)
_FENCED = re.compile(rf"\s*function{_SEPARATOR}([^\n]+)\n```(?:json)?\n(.*?)\n?```\s*", re.DOTALL)
_BARE = re.compile(rf"\s*([^\n]+?){_SEPARATOR}(.*)", re.DOTALL)


@dataclass(frozen=True, slots=True)
class DeepSeek:
    """See `base.CallSyntax`; `fenced` is the form of V3 and R1, and either is read."""

    fenced: bool = True

    @property
    def starts(self) -> tuple[str, ...]:
        return (CALLS_BEGIN,)

    @property
    def heads(self) -> tuple[str, ...]:
        return ()

    @property
    def form(self) -> CallForm:
        return CallForm(
            opening=CALLS_BEGIN,
            before_name=f"{_BEGIN}function{_SEPARATOR}" if self.fenced else _BEGIN,
            before_arguments="\n```json\n" if self.fenced else _SEPARATOR,
            after_arguments=f"\n```{_END}" if self.fenced else _END,
            between="\n" if self.fenced else "",
            closing=_CALLS_END,
        )

    @property
    def markers(self) -> tuple[str, ...]:
        return (CALLS_BEGIN, _CALLS_END, _BEGIN, _END, _SEPARATOR)

    def reader(self, start: str, tools: Sequence[Tool]) -> BlockReader:
        return MarkerReader(start, _CALLS_END, _parse)

    def opened(self, start: str, text: str) -> OpenedCall | None:
        return None


def _parse(text: str) -> Sequence[Call]:
    if _ONE.sub("", text).strip():
        raise NotACall("there is text between the calls")
    calls: list[Call] = []
    for one in _ONE.finditer(text):
        parts = _FENCED.fullmatch(one[1]) or _BARE.fullmatch(one[1])
        if parts is None:
            raise NotACall("no name")
        calls.append(Call(parts[1].strip(), object_text(parts[2])))
    return calls
