"""Which of a response's tools may or must be called, as core has it."""

from collections.abc import Sequence

from mlx_gui.api.openai.responses.offered import Offered
from mlx_gui.api.openai.responses.wire.request import TOOL_TYPES, AllowedTool, Choice
from mlx_gui.core.errors import InvalidRequest
from mlx_gui.core.generation import Tool, ToolChoice


def tools_and_choice(
    offered: Offered, choice: Choice | None, *, parallel: bool | None
) -> tuple[tuple[Tool, ...], ToolChoice]:
    """The tools that the model is told of, and whether it must call one.

    Raises InvalidRequest when a tool is demanded that is not there.
    """
    tools, several = offered.tools, parallel is not False
    mode = choice.type if choice else "auto"
    if choice is not None and mode == "allowed_tools":
        tools, mode = _allowed(offered, choice), choice.mode or "auto"
    match mode:
        case "auto":
            return tools, ToolChoice("auto", parallel=several)
        case "none":
            return tools, ToolChoice("none", parallel=several)
        case "required":
            _check_any(tools, offered)
            return tools, ToolChoice("required", parallel=several)
        case "function" | "custom" if choice is not None:
            if choice.name is None:
                raise InvalidRequest("`tool_choice.name` is required.", param="tool_choice.name")
            name = _only(offered, choice.name, choice.namespace, where="tool_choice.name")
            return tools, ToolChoice("named", name, parallel=several)
        case _:
            raise InvalidRequest(
                f"`tool_choice` is {mode[:40]!r}, which this server does not have.",
                hint="It is auto, none, required, allowed_tools, or names a function or a custom "
                "tool.",
                param="tool_choice",
            )


def _check_any(tools: Sequence[Tool], offered: Offered) -> None:
    if tools:
        return
    if offered.left_out:
        raise InvalidRequest(
            "`tool_choice` demands a call, but this server does not have the tools offered: "
            f"{', '.join(offered.left_out)[:200]}.",
            hint="Offer functions, which your program runs, or leave `tool_choice` out.",
            param="tool_choice",
        )
    raise InvalidRequest(
        "`tool_choice` demands a call, but `tools` names no tool.",
        hint="Send `tools`, or leave `tool_choice` out.",
        param="tool_choice",
    )


def _allowed(offered: Offered, choice: Choice) -> tuple[Tool, ...]:
    """Those that `choice` names: the model is not told of the others."""
    if not choice.tools:
        raise InvalidRequest("`tool_choice.tools` is required.", param="tool_choice.tools")
    names = {
        name
        for index, allowed in enumerate(choice.tools)
        for name in _names(offered, allowed, where=f"tool_choice.tools[{index}].name")
    }
    return tuple(tool for tool in offered.tools if tool.name in names)


def _names(offered: Offered, allowed: AllowedTool, *, where: str) -> list[str]:
    if allowed.type not in TOOL_TYPES:
        return []
    if allowed.type != "namespace":
        return [_only(offered, allowed.name, allowed.namespace, where=where)]
    names = offered.of_namespace(allowed.name or "")
    if not names:
        raise _unknown(offered, allowed.name, where=where)
    return names


def _only(offered: Offered, name: str | None, namespace: str | None, *, where: str) -> str:
    names = offered.names_of(name, namespace)
    if name in names:
        return name
    if not names:
        raise _unknown(offered, name, where=where)
    if len(names) > 1:
        raise InvalidRequest(
            f"`{where}` is {str(name)[:80]!r}, which several namespaces have.",
            hint="Say which by `namespace`.",
            param=where,
        )
    return names[0]


def _unknown(offered: Offered, name: str | None, *, where: str) -> InvalidRequest:
    names = list(offered.origins)
    return InvalidRequest(
        f"`{where}` is {str(name)[:80]!r}, which is not among the tools.",
        hint=f"The tools are {', '.join(names[:20])}." if names else "Send it in `tools`.",
        param=where,
    )
