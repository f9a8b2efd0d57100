"""Grammars of tool calls in a model's own dialect, alone or beside an answer that must match.

They are Lark as llguidance reads it.
"""

import json
import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from mlx_gui.core.errors import InvalidRequest
from mlx_gui.core.generation import Tool, ToolChoice
from mlx_gui.parsers import harmony
from mlx_gui.parsers.base import CallForm, Dialect
from mlx_gui.parsers.markers import tokens_in

TokenId = Callable[[str], int | None]

_LEXEMES = re.compile(r'("[^"\s]+"|[{}]|[:,] )')

# How models write JSON in their calls; left to themselves small ones fill it with white space.
_JSON_STYLE = {"whitespace_flexible": False, "item_separator": ", ", "key_separator": ": "}


def call_grammar(
    dialect: Dialect,
    tools: Sequence[Tool],
    choice: ToolChoice,
    token_id: TokenId,
) -> str:
    """A grammar of nothing but calls: one if `choice` names a tool or wants no several, else more.

    Raises InvalidRequest for a name that no tool has.
    """
    allowed = allowed_tools(tools, choice)
    literal = _Literals(token_id)
    start = _joined(_header(dialect, literal), "calls")
    return _written({"start": start, **_call_rules(dialect.form, allowed, choice, literal)})


def answer_grammar(
    dialect: Dialect,
    answer: str,
    *,
    tools: Sequence[Tool],
    choice: ToolChoice,
    token_id: TokenId,
) -> str:
    """A grammar of `answer` or calls of `tools`, one if `choice` wants no several.

    `answer` is what may stand on the right of a rule. Where every text of an answer has a channel,
    it is on the final one.
    """
    literal = _Literals(token_id)
    final = literal(harmony.FINAL) if dialect.calls is None else ""
    rules = {"answer": _joined(final, answer)}
    if tools:
        rules |= _call_rules(dialect.form, tools, choice, literal)
    either = "(answer | calls)" if tools else "answer"
    return _written({"start": _joined(_header(dialect, literal), either), **rules})


def allowed_tools(tools: Sequence[Tool], choice: ToolChoice) -> Sequence[Tool]:
    """The tools that may be called. Raises InvalidRequest if there is none."""
    if choice.mode != "named":
        if not tools:
            raise InvalidRequest(
                "A tool call is required, but there are no tools.",
                hint="Send tools, or leave the choice of tools away.",
                param="tool_choice",
            )
        return tools
    named = [tool for tool in tools if tool.name == choice.name]
    if not named:
        names = ", ".join(tool.name for tool in tools) or "none"
        raise InvalidRequest(
            f"There is no tool {choice.name}; the tools are: {names}.",
            hint="Name one of the tools that the request sends.",
            param="tool_choice",
        )
    return named


def arguments_schema(tool: Tool) -> dict[str, Any]:
    """The schema of a tool's arguments as grammars take it.

    Where it names arguments and does not speak of others, there are none: models make some up.
    """
    closed = {"additionalProperties": False} if tool.parameters.get("properties") else {}
    return {"type": "object", **closed, **tool.parameters, "x-guidance": _JSON_STYLE}


def _call_rules(
    form: CallForm, tools: Sequence[Tool], choice: ToolChoice, literal: "_Literals"
) -> dict[str, str]:
    """The rule `calls`, and those that it needs."""
    several = choice.mode != "named" and choice.parallel and form.several
    between = literal(form.between)
    more = f" ({between} call)*" if several and between else " call*" if several else ""
    # The name's own quote belongs to the name: see `_quoted`.
    before_name = form.before_name.removesuffix('"')
    quote = form.before_name[len(before_name) :]
    rules = {
        "calls": _joined(literal(form.opening), f"call{more}", literal(form.closing)),
        "call": _joined(
            literal(before_name),
            f"({' | '.join(f'tool_{index}' for index, _ in enumerate(tools))})",
            literal(form.after_arguments),
        ),
    }
    for index, tool in enumerate(tools):
        schema = json.dumps(arguments_schema(tool))
        head = literal(quote + tool.name + form.before_arguments)
        rules[f"tool_{index}"] = f"{head} %json {schema}"
    return rules


def _header(dialect: Dialect, literal: "_Literals") -> str:
    """What stands in front of a message that follows a thought."""
    return f"({literal(f'{harmony.START}assistant')})?" if dialect.calls is None else ""


def _written(rules: Mapping[str, str]) -> str:
    return "".join(f"{name}: {rule}\n" for name, rule in rules.items())


class _Literals:
    """Writes constant text, with tokens of the vocabulary by their ids."""

    def __init__(self, token_id: TokenId) -> None:
        self._token_id = token_id

    def __call__(self, text: str) -> str:
        parts: list[str] = []
        for marker in tokens_in(text):
            id = self._token_id(marker)
            if id is None:
                continue
            before, _, text = text.partition(marker)
            parts += [_quoted(before), f"<[{id}]>"]
        return _joined(*parts, _quoted(text))


def _quoted(text: str) -> str:
    """`text` in the lexemes of JSON: the lexer cannot go back from a longer one to one of those.

    So an answer may begin with `{` as well as a call may.
    """
    return _joined(*(json.dumps(part) for part in _LEXEMES.split(text) if part))


def _joined(*parts: str) -> str:
    return " ".join(part for part in parts if part)
