"""Conversations become text, in the form that the model has learnt."""

import json
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import chain
from pathlib import Path
from typing import Any

from mlx_gui.core.errors import CapabilityMissing, InvalidRequest
from mlx_gui.core.generation import (
    Effort,
    GenerateRequest,
    ImagePart,
    Message,
    Reasoning,
    Tool,
)
from mlx_gui.core.markers import knows_calls, knows_tools
from mlx_gui.core.model import TextOptions
from mlx_gui.engines.text.control_tokens import ControlTokens
from mlx_gui.engines.text.messages import (
    Turn,
    plain_turns,
    repaired_turns,
    turns_with_prompt,
    turns_without_calls,
)
from mlx_gui.engines.text.mlx_lm import TokenizerWrapper
from mlx_gui.engines.text.pictures import pictures_in
from mlx_gui.engines.text.template import (
    CHATML,
    PARAGRAPHS,
    TemplateFailed,
    check_source,
)
from mlx_gui.engines.text.template_process import TemplateRunner
from mlx_gui.engines.text.wedged_text import without_wedges
from mlx_gui.parsers.base import Dialect, LibraryTools
from mlx_gui.parsers.dialects import dialect_of
from mlx_gui.parsers.library_syntax import openai_tool

# Written behind the text that the answer continues, so that it is found again; it is cut off there.
_CONTINUED = "\N{INVISIBLE SEPARATOR}continued\N{INVISIBLE SEPARATOR}"

# gpt-oss has learnt three.
_HARMONY_EFFORTS: Mapping[Effort, Effort] = {
    "none": "low",
    "minimal": "low",
    "low": "low",
    "medium": "medium",
    "high": "high",
    "xhigh": "high",
    "max": "high",
}

_UNKNOWN_ARGUMENT = re.compile(r"unexpected keyword argument '(\w+)'")
_RENDERER_ERRORS = (ArithmeticError, AttributeError, LookupError, TypeError, ValueError)


@dataclass(frozen=True, slots=True)
class _Form:
    """What a template says of its model."""

    dialect: Dialect
    controls: ControlTokens


@dataclass(frozen=True, slots=True)
class Conversation:
    """A conversation as text. `dialect` is what answers to it look like.

    With `special` the tokenizer is to add the tokens that begin a text, which templates write
    themselves. `opened` is the part of the text that belongs to the answer already. A `wedge`
    stands in control tokens that were typed; then `controls` knows the ids of `text`. The template
    has written a sign for each of `pictures`; of those that the system shows, the `moved` ones, by
    where they stand, are in the user's next message.
    """

    text: str
    dialect: Dialect
    special: bool
    controls: ControlTokens
    opened: str = ""
    wedge: str | None = None
    pictures: tuple[ImagePart, ...] = ()
    moved: tuple[str, ...] = ()

    @property
    def shown(self) -> str:
        """The text as the model reads it."""
        return self.text if self.wedge is None else without_wedges(self.text, self.wedge)


class ChatFormat:
    """The template of a model, and those that requests bring. For one thread.

    Messages for one that `sees` may have pictures.
    """

    def __init__(
        self,
        tokenizer: TokenizerWrapper,
        folder: Path,
        options: TextOptions,
        *,
        sees: bool = False,
    ) -> None:
        self._tokenizer = tokenizer
        self._options = options
        self._sees = sees
        # A format in Python goes before a template, as it does in the library.
        self._in_python = tokenizer.has_chat_template and (
            tokenizer._chat_template is not None or tokenizer.chat_template is None
        )
        self._stored = None if self._in_python else _stored_templates(tokenizer, folder)
        self._templates = TemplateRunner(_sources(self._stored, options))
        self._library = _library_tools(tokenizer)
        self._forms: dict[str | None, _Form] = {}

    def begin(self) -> None:
        """From here on it is another request: its templates have their time again."""
        self._templates.begin()

    @property
    def dialect(self) -> Dialect:
        """What the model's answers look like, unless a request brings another template."""
        return self._form(self._source(None, tools=True)).dialect

    def token_id(self, token: str) -> int | None:
        """The id of a token by its text; None if the vocabulary does not have it."""
        id = self._tokenizer.convert_tokens_to_ids(token)
        return None if id is None or id == self._tokenizer.unk_token_id else id

    def render(
        self,
        request: GenerateRequest,
        messages: Sequence[Message],
        *,
        generation_prompt: bool = True,
    ) -> Conversation:
        """`messages` of the request as text. Raises InvalidRequest and its kin."""
        tools = () if request.tool_choice.mode == "none" else request.tools
        source = self._source(request.template, tools=bool(tools))
        form = self._form(source)
        texts = form.controls.apart(request, plain_turns(messages, sees=self._sees), tools)
        turns, tools = self._known_to(source, texts.turns, texts.tools)
        variables = {
            **self._variables(request, texts.arguments, form.dialect),
            "tools": [openai_tool(tool) for tool in tools] or None,
            "documents": None,
        }
        opened = ""
        if request.continue_final and generation_prompt:
            opened = _checked_beginning(turns)
            turns = [*turns[:-1], {**turns[-1], "content": opened + _CONTINUED}]
            variables["add_generation_prompt"] = False
        else:
            variables["add_generation_prompt"] = generation_prompt
        text, told = self._rendered(source, turns, variables)
        if opened:
            text = _cut_behind_beginning(text)
        return Conversation(
            text,
            form.dialect,
            source == PARAGRAPHS,
            form.controls,
            opened if texts.wedge is None else without_wedges(opened, texts.wedge),
            texts.wedge,
            pictures_in(messages),
            _moved(messages, told),
        )

    def _known_to(
        self, source: str | None, turns: Sequence[Turn], tools: Sequence[Tool]
    ) -> tuple[Sequence[Turn], Sequence[Tool]]:
        """Calls and tools as text where the template does not know them; formats in Python do."""
        form = self._form(source).dialect.form
        if source is not None and not knows_calls(source):
            turns = turns_without_calls(turns, form)
        if tools and source is not None and not knows_tools(source):
            if self._options.tool_prompt == "refuse":
                raise CapabilityMissing(
                    "The model's chat template knows no tools.",
                    hint="Choose a model with the capability tools, or set its tool_prompt to "
                    "generic.",
                )
            return turns_with_prompt(turns, tools, form), ()
        return turns, tools

    def _rendered(
        self, source: str | None, turns: Sequence[Turn], variables: Mapping[str, Any]
    ) -> tuple[str, Sequence[Turn]]:
        """The text, and the turns in which the template took them: refused ones change shape."""
        run = self._run_library if source is None else partial(self._templates.render, source)
        tried: list[Sequence[Turn]] = []
        refusal: TemplateFailed | None = None
        form = self._form(source).dialect.form
        for shape in chain((turns,), repaired_turns(turns, form)):
            if shape in tried:
                continue
            tried.append(shape)
            try:
                return run({**variables, "messages": shape}), shape
            except TemplateFailed as failure:
                refusal = refusal or failure
        raise InvalidRequest(
            f"The chat template refuses these messages: {refusal}",
            hint="Change the roles or their order to what this model was trained with.",
            param="messages",
        ) from refusal

    def _run_library(self, variables: Mapping[str, Any]) -> str:
        """Some models have a format in Python, by the library or their tokenizer."""
        named = {name: value for name, value in variables.items() if name != "messages"}
        while True:
            try:
                return self._tokenizer.apply_chat_template(
                    variables["messages"], tokenize=False, **named
                )
            except _RENDERER_ERRORS as error:
                # They do not take whatever they are given, as templates do.
                unknown = _UNKNOWN_ARGUMENT.search(str(error))
                if unknown is None or named.pop(unknown[1], unknown) is unknown:
                    raise TemplateFailed(str(error)) from error

    def _source(self, wanted: str | None, *, tools: bool) -> str | None:
        """The template, the first that there is; None for a format that is no template."""
        if wanted:
            return _checked_source(wanted)
        if self._options.template:
            return self._options.template
        if isinstance(self._stored, str):
            return self._stored
        if self._stored is not None:
            name = "tool_use" if tools and "tool_use" in self._stored else "default"
            return self._stored.get(name, next(iter(self._stored.values())))
        if self._in_python:
            return None
        return CHATML if self.token_id("<|im_start|>") is not None else PARAGRAPHS

    def _form(self, source: str | None) -> _Form:
        if source not in self._forms:
            if len(self._forms) > 8:
                self._forms.clear()
            dialect = dialect_of(
                # A format in Python says nothing of itself, but the library has a parser for it.
                "tools" if source is None else source,
                lambda token: self.token_id(token) is not None,
                self._library,
            )
            controls = ControlTokens(self._tokenizer, source, dialect)
            self._forms[source] = _Form(dialect, controls)
        return self._forms[source]

    def _variables(
        self, request: GenerateRequest, arguments: Mapping[str, Any], dialect: Dialect
    ) -> dict[str, Any]:
        reasoning = merged_reasoning(request.reasoning, self._options.reasoning)
        variables = {
            **self._tokenizer.special_tokens_map,
            **self._options.template_arguments,
            **arguments,
        }
        if reasoning.enabled is not None:
            variables |= {"enable_thinking": reasoning.enabled, "thinking": reasoning.enabled}
        if reasoning.effort is not None:
            harmony = dialect.calls is None
            effort = _HARMONY_EFFORTS[reasoning.effort] if harmony else reasoning.effort
            variables["reasoning_effort"] = effort
        if reasoning.budget_tokens is not None:
            variables["thinking_budget"] = reasoning.budget_tokens
        return variables


def merged_reasoning(wanted: Reasoning, settings: Reasoning) -> Reasoning:
    """The request's wishes, else the model's settings; an effort also switches thinking."""
    effort = wanted.effort if wanted.effort is not None else settings.effort
    enabled = wanted.enabled if wanted.enabled is not None else settings.enabled
    if wanted.enabled is None and effort is not None:
        enabled = effort != "none"
    budget = wanted.budget_tokens if wanted.budget_tokens is not None else settings.budget_tokens
    return Reasoning(enabled, effort, budget, wanted.raw)


def _sources(stored: str | Mapping[str, str] | None, options: TextOptions) -> set[str]:
    """The templates of this model, and those for models that have none."""
    named = {stored} if isinstance(stored, str) else set((stored or {}).values())
    return named | {options.template or CHATML, CHATML, PARAGRAPHS}


def _checked_source(template: str) -> str:
    try:
        check_source(template)
    except TemplateFailed as failure:
        raise InvalidRequest(
            f"The chat template cannot be used: {failure}.",
            hint="Make it shorter.",
            param="chat_template",
        ) from failure
    return template


def _checked_beginning(turns: Sequence[Turn]) -> str:
    said = turns[-1]["content"] if turns and turns[-1]["role"] == "assistant" else ""
    if not said or not isinstance(said, str):
        raise InvalidRequest(
            "There is no beginning of an answer to continue.",
            hint="Let the last message be the assistant's, with text.",
            param="messages",
        )
    return said


def _cut_behind_beginning(text: str) -> str:
    before, found, _ = text.rpartition(_CONTINUED)
    if not found:
        raise InvalidRequest(
            "The chat template leaves out the beginning of the answer, so it cannot be continued.",
            hint="Send the conversation without a beginning of the answer.",
            param="messages",
        )
    return before


def _stored_templates(tokenizer: TokenizerWrapper, folder: Path) -> str | dict[str, str] | None:
    """The model's own. Tokenizers read all places but chat_template.json, which is processors'."""
    if tokenizer.chat_template:
        return tokenizer.chat_template
    try:
        stored = json.loads((folder / "chat_template.json").read_text(encoding="utf-8"))
    except (OSError, RecursionError, ValueError):
        return None
    template = stored.get("chat_template") if isinstance(stored, dict) else None
    if isinstance(template, list):
        named = [each for each in template if isinstance(each, dict)]
        template = {str(each.get("name")): str(each.get("template")) for each in named}
    return template if template and isinstance(template, str | dict) else None


def _library_tools(tokenizer: TokenizerWrapper) -> LibraryTools | None:
    parse: Callable[[str, list[dict[str, Any]]], Any] | None = tokenizer.tool_parser
    if parse is None:
        return None
    return LibraryTools(
        tokenizer.init_kwargs["tool_parser_type"],
        tokenizer.tool_call_start or "",
        tokenizer.tool_call_end or "",
        parse,
    )


def _moved(messages: Sequence[Message], told: Sequence[Turn]) -> tuple[str, ...]:
    """Pictures that the system shows, where the turns that were `told` are not the system's."""
    if any(turn["role"] == "system" for turn in told):
        return ()
    shown = pictures_in([message for message in messages if message.role == "system"])
    return tuple(picture.where for picture in shown if picture.where)
