"""The functions that a response may call, and the format of its text, as core has them."""

import re
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from mlx_gui.api.json_schema import check_schema
from mlx_gui.api.openai.wire import TOOL_NAME
from mlx_gui.core.errors import InvalidRequest
from mlx_gui.core.generation import Effort, Grammar, Reasoning, Tool, ToolChoice


def reasoning(effort: Effort | None, *, enabled: bool | None, budget: int | None) -> Reasoning:
    """An effort says whether to think at all; `enabled` says it without one, and wins."""
    if enabled is None and effort is not None:
        enabled = effort != "none"
    return Reasoning(enabled=enabled, effort=effort, budget_tokens=budget)


def function(
    name: str | None, description: str | None, parameters: Mapping[str, Any] | None, *, where: str
) -> Tool:
    """A function that the model may call. Raises InvalidRequest for a bad name or schema."""
    if name is None:
        raise InvalidRequest(f"`{where}.name` is required.", param=f"{where}.name")
    if not re.fullmatch(TOOL_NAME, name):
        raise InvalidRequest(
            f"`{where}.name` should be 1 to 64 letters, digits, `_` and `-`, not {name[:80]!r}.",
            param=f"{where}.name",
        )
    check_schema(parameters or {}, param=f"{where}.parameters")
    kind = (parameters or {}).get("type", "object")
    if kind != "object":
        raise InvalidRequest(
            f"`{where}.parameters.type` should be object, not {str(kind)[:40]!r}.",
            hint="A function's parameters are the JSON schema of an object.",
            param=f"{where}.parameters.type",
        )
    return Tool(name, description or "", dict(parameters or {}))


def check_names(tools: Sequence[Tool]) -> None:
    """Raises InvalidRequest when two of `tools` have one name."""
    seen: set[str] = set()
    for index, tool in enumerate(tools):
        if tool.name in seen:
            raise InvalidRequest(
                f"`tools[{index}]` is a second tool with the name {tool.name!r}.",
                hint="Give each tool a name of its own.",
                param=f"tools[{index}]",
            )
        seen.add(tool.name)


def tool_choice(
    mode: str, name: str | None, tools: Sequence[Tool], *, parallel: bool | None
) -> ToolChoice:
    """`mode` is auto, none, required or function, which goes with `name`.

    Raises InvalidRequest when it demands a tool that is not among `tools`.
    """
    several = parallel is not False
    match mode:
        case "auto":
            return ToolChoice("auto", parallel=several)
        case "none":
            return ToolChoice("none", parallel=several)
        case "required" if tools:
            return ToolChoice("required", parallel=several)
        case "required":
            raise InvalidRequest(
                "`tool_choice` demands a call, but `tools` names no tool.",
                hint="Send `tools`, or leave `tool_choice` out.",
                param="tool_choice",
            )
        case "function" if name is None:
            raise InvalidRequest("`tool_choice.name` is required.", param="tool_choice.name")
        case "function":
            check_known(name, tools, where="tool_choice.name")
            return ToolChoice("named", name, parallel=several)
        case _:
            raise InvalidRequest(
                f"`tool_choice` should not be {mode[:40]!r}.",
                hint="It is auto, none, required, or names a function.",
                param="tool_choice",
            )


def check_known(name: str | None, tools: Sequence[Tool], *, where: str) -> None:
    """Raises InvalidRequest when none of `tools` has the name."""
    names = [tool.name for tool in tools]
    if name in names:
        return
    raise InvalidRequest(
        f"`{where}` is {str(name)[:80]!r}, which is not among the tools.",
        hint=f"The tools are {', '.join(names[:20])}." if names else "Send it in `tools`.",
        param=where,
    )


def grammar(kind: str, schema: Mapping[str, Any] | None, *, where: str) -> Grammar | None:
    """What a format of the type `kind` demands of the answer; None for text.

    Raises InvalidRequest for an unknown type or a missing schema; the engine checks the schema.
    """
    match kind:
        case "text":
            return None
        case "json_object":
            return Grammar("json_object")
        case "json_schema" if schema is not None:
            check_schema(schema, param=f"{where}.schema")
            return Grammar("json_schema", msgspec.json.encode(schema).decode())
        case "json_schema":
            raise InvalidRequest(f"`{where}.schema` is required.", param=f"{where}.schema")
        case _:
            raise InvalidRequest(
                f"`{where}.type` should be text, json_object or json_schema, not {kind[:40]!r}.",
                param=f"{where}.type",
            )
