"""Control tokens that a request spells out are text: only the template writes control tokens.

While the template runs, a letter that the request does not have, the wedge, stands behind the first
character of each control token in the request's texts. So all that is whole afterwards is the
template's own. Then the wedges go, and a tokenizer reads the text that knows control tokens by
secret names only.
"""

import json
import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import msgspec
from tokenizers import AddedToken

from mlx_gui.core.errors import InvalidRequest
from mlx_gui.core.generation import GenerateRequest, Tool
from mlx_gui.core.markers import HARMONY_MARKERS
from mlx_gui.engines.text.messages import Turn
from mlx_gui.engines.text.mlx_lm import TokenizerWrapper
from mlx_gui.engines.text.wedged_text import WedgedReader, any_of, backend_of, reader
from mlx_gui.parsers.base import Dialect

# Letters of the Yi script: no filter of a template and no normalizer changes them.
_WEDGES = range(0xA000, 0xA48D)

_BAR = "|\N{FULLWIDTH VERTICAL LINE}"
_BRACKETED = re.compile(r"[<\[]\S+[>\]]")
_UNMISTAKABLE = re.compile(rf"<[{_BAR}]\S+|\S+[{_BAR}]>|<fim[_-]\S+>")

_REPLACED = re.compile(r"""replace\(\s{0,9}(['"])(.{1,99}?)\1\s{0,9},\s{0,9}(['"])(.{0,99}?)\3""")

# What the assistant said, in which callers replay the marks of thoughts and calls.
_SAID = ("content", "reasoning_content", "thinking")


@dataclass(frozen=True, slots=True)
class Texts:
    """What a template is given of a request; `wedge` is None if no control token is spelt there."""

    turns: Sequence[Turn]
    tools: Sequence[Tool]
    arguments: Mapping[str, Any]
    wedge: str | None = None


class ControlTokens:
    """The control tokens of a tokenizer under one template, None for a format in Python.

    They are the special tokens, those by which the dialect marks thoughts and calls, and added
    tokens that are made like markers, if the template writes them or nothing else looks so. Other
    added tokens, like Gemma's for two line breaks, are text. For one thread.
    """

    def __init__(self, tokenizer: TokenizerWrapper, source: str | None, dialect: Dialect) -> None:
        self._source = source or ""
        self._tokenizer = tokenizer
        self._added: Mapping[int, AddedToken] = tokenizer.added_tokens_decoder
        self._control = {
            token.content
            for token in self._added.values()
            if len(token.content) > 1 and _is_control(token, source, dialect)
        }
        ends = {self._added[id].content for id in tokenizer.eos_token_ids if id in self._added}
        marks = HARMONY_MARKERS if dialect.calls is None else dialect.markers
        kept = self._control & set(marks) - ends
        # What a template takes out of a text may be what keeps a control token in two.
        self._replaced = [(match[2], match[4]) for match in _REPLACED.finditer(self._source)]
        first_only = bool(self._replaced)
        self._typed = _behind_first(self._control, first_only=first_only)
        self._said = _behind_first(self._control - kept, first_only=first_only, kept=kept)
        in_json = {json.dumps(token, ensure_ascii=False)[1:-1] for token in self._control}
        self._spelt = _behind_first(in_json, first_only=False)
        self._reader: tuple[str, WedgedReader] | None = None

    def apart(
        self, request: GenerateRequest, turns: Sequence[Turn], tools: Sequence[Tool]
    ) -> Texts:
        """These texts of the request with wedges, if any control token is spelt in them.

        Marks of thoughts and calls stay what they are in what the assistant said: templates look
        for them, and callers send back what they were sent. The wedge is the same for whatever part
        of the request `turns` are. Raises InvalidRequest.
        """
        arguments = request.template_arguments
        named = [[tool.name, tool.description, tool.parameters] for tool in tools]
        try:
            if not self._are_spelt(json.dumps([turns, named, arguments], ensure_ascii=False)):
                return Texts(turns, tools, arguments)
            wedge = self._wedge(request)
            own = self._tokenizer.special_tokens_map
            return Texts(
                [self._wedged_turn(turn, wedge) for turn in turns],
                [self._wedged_tool(tool, wedge) for tool in tools],
                {
                    name: value if name in own else _wedged(value, self._typed, wedge)
                    for name, value in arguments.items()
                },
                wedge,
            )
        except RecursionError:
            raise InvalidRequest(
                "The arguments of a call in these messages are nested too deeply.",
                hint="Leave this call and its result out.",
                param="messages",
            ) from None

    def encode(self, text: str, wedge: str, *, special: bool) -> list[int]:
        """The ids of a text in which control tokens have a wedge where they are text."""
        if self._reader is None or self._reader[0] != wedge:
            self._reader = wedge, reader(self._tokenizer, self._added, self._control, wedge)
        return self._reader[1].encode(text, special=special)

    def as_text(self, text: str, request: GenerateRequest) -> list[int]:
        """The ids of a text of the request, in which there are no control tokens."""
        ids = self._tokenizer.encode(text, add_special_tokens=False)
        control = {id for id, token in self._added.items() if token.content in self._control}
        if control.isdisjoint(ids):
            return ids
        wedge = self._wedge(request)
        return self.encode(_wedged(text, self._typed, wedge), wedge, special=False)

    def _wedge(self, request: GenerateRequest) -> str:
        everything = f"{request!r}{self._source}"
        letters = set(everything)
        escapes = set(re.findall("u([0-9a-f]{4})", everything.lower()))
        for code in _WEDGES:
            if chr(code) not in letters and f"{code:04x}" not in escapes:
                return chr(code)
        raise InvalidRequest(
            "The messages hold control tokens and every letter of the Yi script.",
            hint="Leave out one of both.",
            param="messages",
        )

    def _wedged_turn(self, turn: Turn, wedge: str) -> Turn:
        said = _SAID if turn["role"] == "assistant" else ()
        return {
            key: _wedged(value, self._said if key in said else self._typed, wedge)
            for key, value in turn.items()
        }

    def _wedged_tool(self, tool: Tool, wedge: str) -> Tool:
        return msgspec.structs.replace(
            tool,
            name=_wedged(tool.name, self._typed, wedge),
            description=_wedged(tool.description, self._typed, wedge),
            parameters=_wedged(tool.parameters, self._typed, wedge),
        )

    def _are_spelt(self, text: str) -> bool:
        """Whether JSON has control tokens in its strings, or will have by what is done to them."""
        spelt = self._spelt.search
        if spelt(text):
            return True
        replaced = text
        for old, new in self._replaced:
            replaced = replaced.replace(old, new)
            if spelt(replaced) or spelt(text.replace(old, new)):
                return True
        normalizer = getattr(backend_of(self._tokenizer), "normalizer", None)
        if normalizer is None or not any(token.normalized for token in self._added.values()):
            return False
        return spelt(normalizer.normalize_str(text.encode(errors="replace").decode())) is not None


def _is_control(token: AddedToken, source: str | None, dialect: Dialect) -> bool:
    text = token.content
    if token.special or text in dialect.markers or _UNMISTAKABLE.fullmatch(text):
        return True
    return bool(_BRACKETED.fullmatch(text)) and (source is None or text in source)


def _behind_first(
    tokens: Collection[str], *, first_only: bool, kept: Collection[str] = ()
) -> re.Pattern[str]:
    """Finds the first character of each of `tokens`, or with `first_only` wherever that stands."""
    if not tokens:
        return re.compile("(?!)")
    rests: dict[str, list[str]] = {}
    for token in tokens:
        rests.setdefault(token[0], []).append(token[1:])
    but = f"(?!{any_of(kept)})" if kept and first_only else ""
    heads = (
        re.escape(first) if first_only else f"{re.escape(first)}(?={any_of(rest)})"
        for first, rest in rests.items()
    )
    return re.compile(f"{but}(?:{'|'.join(heads)})")


def _wedged(value: Any, heads: re.Pattern[str], wedge: str) -> Any:
    match value:
        case str():
            return heads.sub(rf"\g<0>{wedge}", value)
        case dict():
            return {
                _wedged(key, heads, wedge): _wedged(each, heads, wedge)
                for key, each in value.items()
            }
        case list() | tuple():
            return [_wedged(each, heads, wedge) for each in value]
        case _:
            return value
