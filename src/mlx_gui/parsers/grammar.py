"""Grammars that force a model to call tools, in its own dialect; Lark as llguidance reads it."""

import json
from collections.abc import Callable, Sequence
from typing import Any

from mlx_gui.core.errors import InvalidRequest
from mlx_gui.core.generation import Grammar, Tool, ToolChoice
from mlx_gui.parsers import harmony
from mlx_gui.parsers.base import Dialect
from mlx_gui.parsers.markers import tokens_in

TokenId = Callable[[str], int | None]

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
    form = dialect.form
    several = choice.mode != "named" and choice.parallel and form.several
    literal = _Literals(token_id)
    between = literal(form.between)
    more = f" ({between} call)*" if several and between else " call*" if several else ""
    rules = {
        "start": _joined(
            f"({literal(f'{harmony.START}assistant')})?" if dialect.calls is None else "",
            "calls",
        ),
        "calls": _joined(literal(form.opening), f"call{more}", literal(form.closing)),
        "call": _joined(
            literal(form.before_name),
            f"({' | '.join(f'tool_{index}' for index, _ in enumerate(allowed))})",
            literal(form.after_arguments),
        ),
    }
    for index, tool in enumerate(allowed):
        schema = json.dumps(arguments_schema(tool))
        rules[f"tool_{index}"] = f"{literal(tool.name + form.before_arguments)} %json {schema}"
    return "".join(f"{name}: {rule}\n" for name, rule in rules.items())


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


def check_tools(
    tools: Sequence[Tool], choice: ToolChoice, check: Callable[[Grammar], object]
) -> None:
    """Raises the InvalidRequest that `check` raises for the schema of a tool, with its name."""
    for tool in allowed_tools(tools, choice):
        try:
            check(Grammar("json_schema", json.dumps({"type": "object", **tool.parameters})))
        except InvalidRequest as error:
            raise InvalidRequest(
                f"The parameters of the tool {tool.name} cannot be enforced: {error.message}",
                hint=error.hint,
                param="tools",
            ) from error


def arguments_schema(tool: Tool) -> dict[str, Any]:
    """The schema of a tool's arguments as grammars take it.

    Where it names arguments and does not speak of others, there are none: models make some up.
    """
    closed = {"additionalProperties": False} if tool.parameters.get("properties") else {}
    return {"type": "object", **closed, **tool.parameters, "x-guidance": _JSON_STYLE}


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
    return json.dumps(text) if text else ""


def _joined(*parts: str) -> str:
    return " ".join(part for part in parts if part)
