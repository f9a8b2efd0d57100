"""Mistral: `[TOOL_CALLS][{…}]`, and since 2025 `[TOOL_CALLS]name[ARGS]{…}`."""

import re
from collections.abc import Sequence
from dataclasses import dataclass

from mlx_gui.core.generation import Tool
from mlx_gui.parsers.base import Block, BlockReader, Call, CallForm, NotACall, OpenedCall
from mlx_gui.parsers.json_text import calls_of, object_text
from mlx_gui.parsers.readers import JsonReader
from mlx_gui.parsers.streamed import opened_json
from mlx_gui.parsers.tagged import array_form

_START = "[TOOL_CALLS]"
_ARGS = "[ARGS]"
_CALL_ID = "[CALL_ID]"
_HEADER = re.compile(r"\s*([\w.-]+)\s*(?:\[CALL_ID\][\w-]*\s*)?\[ARGS\]\s*")
_HEADER_CHARACTERS = 256

NAMED_FORM = CallForm(before_name=_START, before_arguments=_ARGS, after_arguments="")


@dataclass(frozen=True, slots=True)
class Mistral:
    """See `base.CallSyntax`; `named` is the newer form, and either is read."""

    named: bool = False

    @property
    def starts(self) -> tuple[str, ...]:
        return (_START,)

    @property
    def heads(self) -> tuple[str, ...]:
        return ()

    @property
    def form(self) -> CallForm:
        return NAMED_FORM if self.named else array_form(_START, "")

    @property
    def markers(self) -> tuple[str, ...]:
        return (_START, _ARGS, _CALL_ID)

    def reader(self, start: str, tools: Sequence[Tool]) -> BlockReader:
        return _Reader()

    def opened(self, start: str, text: str) -> OpenedCall | None:
        header = _header(text)
        if header is None or not text[header.end() :].startswith("{"):
            return opened_json(text, begin=len(start), start=start, end="")
        return OpenedCall(header[1], header.end(), start, "")


class _Reader:
    """Decides for one of the forms by what follows the start marker."""

    def __init__(self) -> None:
        self._text = ""
        self._json: JsonReader | None = None

    def feed(self, text: str) -> Block | None:
        if self._json is not None:
            return self._json.feed(text)
        self._text += text
        body = self._text[len(_START) :].lstrip()
        if not body:
            return None
        if body[0] in "{[":
            self._json = JsonReader(len(_START), calls_of)
            return self._json.feed(self._text)
        header = _header(self._text)
        if header is not None:
            self._json = JsonReader(header.end(), _NamedParse(header[1]))
            return self._json.feed(self._text)
        if _ARGS in body or len(body) > _HEADER_CHARACTERS:
            return Block(len(self._text) - len(body))
        return None

    def finish(self) -> Block:
        return Block(len(self._text)) if self._json is None else self._json.finish()


def _header(text: str) -> re.Match[str] | None:
    """The name and what follows it, unless that is too long to be one."""
    header = _HEADER.match(text, len(_START))
    return header if header and len(header[0].strip()) <= _HEADER_CHARACTERS else None


@dataclass(frozen=True, slots=True)
class _NamedParse:
    name: str

    def __call__(self, text: str) -> Sequence[Call]:
        if not text.startswith("{"):
            raise NotACall("the arguments are no object")
        return [Call(self.name, object_text(text))]
