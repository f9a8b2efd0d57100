"""The functions that a response may call, and the format of its text, as core has them."""

import re
from collections.abc import Mapping
from typing import Any

import msgspec

from mlx_gui.api.json_schema import check_schema
from mlx_gui.api.openai.wire import TOOL_NAME
from mlx_gui.core.errors import InvalidRequest
from mlx_gui.core.generation import Effort, Grammar, Reasoning, Tool


def reasoning(effort: Effort | None, *, enabled: bool | None, budget: int | None) -> Reasoning:
    """An effort says whether to think at all; `enabled` says it without one, and wins."""
    if enabled is None and effort is not None:
        enabled = effort != "none"
    return Reasoning(enabled=enabled, effort=effort, budget_tokens=budget)


def checked_name(name: str | None, *, where: str) -> str:
    """The name of the tool `where`. Raises InvalidRequest for a bad one."""
    if name is None:
        raise InvalidRequest(f"`{where}.name` is required.", param=f"{where}.name")
    if not re.fullmatch(TOOL_NAME, name):
        raise InvalidRequest(
            f"`{where}.name` should be 1 to 64 letters, digits, `_` and `-`, not {name[:80]!r}.",
            param=f"{where}.name",
        )
    return name


def function(
    name: str | None,
    description: str | None,
    parameters: Mapping[str, Any] | None,
    *,
    strict: bool,
    where: str,
) -> Tool:
    """A function that the model may call. Raises InvalidRequest for a bad name or schema."""
    name = checked_name(name, where=where)
    check_schema(parameters or {}, param=f"{where}.parameters")
    kind = (parameters or {}).get("type", "object")
    if kind != "object":
        raise InvalidRequest(
            f"`{where}.parameters.type` should be object, not {str(kind)[:40]!r}.",
            hint="A function's parameters are the JSON schema of an object.",
            param=f"{where}.parameters.type",
        )
    return Tool(name, description or "", dict(parameters or {}), strict=strict)


def grammar(
    kind: str, schema: Mapping[str, Any] | None, *, strict: bool, where: str
) -> Grammar | None:
    """What a format of the type `kind` demands of the answer; None for text.

    Raises InvalidRequest for an unknown type or a missing schema; the engine checks the schema.
    """
    match kind:
        case "text":
            return None
        case "json_object" | "json_schema" if schema is not None:
            check_schema(schema, param=f"{where}.schema")
            return Grammar("json_schema", msgspec.json.encode(schema).decode(), strict)
        case "json_object":
            return Grammar("json_object")
        case "json_schema":
            raise InvalidRequest(f"`{where}.schema` is required.", param=f"{where}.schema")
        case _:
            raise InvalidRequest(
                f"`{where}.type` should be text, json_object or json_schema, not {kind[:40]!r}.",
                param=f"{where}.type",
            )
