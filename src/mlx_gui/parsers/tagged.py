"""Dialects whose calls are JSON behind a tag: Hermes and Qwen3, Llama 3, Cohere and more."""

from collections.abc import Sequence
from dataclasses import dataclass

from mlx_gui.core.generation import Tool
from mlx_gui.parsers.base import BlockReader, CallForm, OpenedCall
from mlx_gui.parsers.json_text import calls_of
from mlx_gui.parsers.markers import tokens_in
from mlx_gui.parsers.python_text import python_calls_of
from mlx_gui.parsers.readers import JsonReader, MarkerReader, Parse
from mlx_gui.parsers.streamed import opened_json


@dataclass(frozen=True, slots=True)
class Tag:
    """What calls stand between. Without an `end` they end where their JSON does.

    Without `spelled` the start is itself the beginning of the JSON.
    """

    start: str
    end: str = ""
    spelled: bool = True


@dataclass(frozen=True, slots=True)
class TaggedJson:
    """See `base.CallSyntax`. A `head_tag` counts only where content begins."""

    form: CallForm
    tags: tuple[Tag, ...]
    head_tags: tuple[Tag, ...] = ()
    python: bool = False

    @property
    def starts(self) -> tuple[str, ...]:
        return tuple(tag.start for tag in self.tags)

    @property
    def heads(self) -> tuple[str, ...]:
        return tuple(tag.start for tag in self.head_tags)

    @property
    def markers(self) -> tuple[str, ...]:
        return tuple(token for tag in self.tags for token in tokens_in(tag.start + tag.end))

    def reader(self, start: str, tools: Sequence[Tool]) -> BlockReader:
        tag = self._tag(start)
        parse: Parse = python_calls_of if self.python else calls_of
        if tag.end:
            return MarkerReader(start, tag.end, parse, first="" if self.python else "{[")
        return JsonReader(len(start) if tag.spelled else 0, parse)

    def opened(self, start: str, text: str) -> OpenedCall | None:
        tag = self._tag(start)
        return opened_json(text, begin=len(start) if tag.spelled else 0, start=start, end=tag.end)

    def _tag(self, start: str) -> Tag:
        return next(tag for tag in (*self.tags, *self.head_tags) if tag.start == start)


def json_form(start: str, end: str, *, arguments: str = "arguments", between: str = "") -> CallForm:
    """Each call an object of its own, between `start` and `end`."""
    return CallForm(
        before_name=f'{start}{{"name": "',
        before_arguments=f'", "{arguments}": ',
        after_arguments=f"}}{end}",
        between=between,
    )


def array_form(
    start: str, end: str, *, name: str = "name", arguments: str = "arguments"
) -> CallForm:
    """All calls in one array between `start` and `end`."""
    return CallForm(
        opening=f"{start}[",
        before_name=f'{{"{name}": "',
        before_arguments=f'", "{arguments}": ',
        after_arguments="}",
        between=", ",
        closing=f"]{end}",
    )


_HERMES_FORM = json_form("<tool_call>\n", "\n</tool_call>", between="\n")
_HERMES_TAG = Tag("<tool_call>", "</tool_call>")

HERMES = TaggedJson(_HERMES_FORM, (_HERMES_TAG,))

# For models that have learnt no syntax and are told Hermes': they tend to fence their JSON.
GENERIC = TaggedJson(
    _HERMES_FORM,
    (_HERMES_TAG,),
    (
        Tag("```json", "```"),
        Tag("```tool_call", "```"),
        Tag("```tool_code", "```"),
        Tag("{", spelled=False),
    ),
    python=True,
)

LLAMA3 = TaggedJson(
    CallForm(
        before_name='{"name": "',
        before_arguments='", "parameters": ',
        after_arguments="}",
        between="; ",
    ),
    (Tag("<|python_tag|>"),),
    (Tag("{", spelled=False), Tag(";")),
)

GEMMA3 = TaggedJson(
    json_form("```tool_code\n", "\n```", between="\n"),
    (Tag("```tool_code", "```"),),
    (Tag("```json", "```"), Tag("{", spelled=False), Tag("[", spelled=False)),
    python=True,
)

GRANITE = TaggedJson(array_form("<|tool_call|>", ""), (Tag("<|tool_call|>"),))
PHI4_MINI = TaggedJson(
    array_form("<|tool_call|>", "<|/tool_call|>"), (Tag("<|tool_call|>", "<|/tool_call|>"),)
)
COHERE = TaggedJson(
    array_form("<|START_ACTION|>", "<|END_ACTION|>", name="tool_name", arguments="parameters"),
    (Tag("<|START_ACTION|>", "<|END_ACTION|>"),),
)
HUNYUAN = TaggedJson(
    array_form("<tool_calls>", "</tool_calls>"), (Tag("<tool_calls>", "</tool_calls>"),)
)
