"""OpenAI's tools, and which of them may be called, as core has them."""

from collections.abc import Sequence

from mlx_gui.api.json_schema import check_schema
from mlx_gui.api.openai.chat.wire import (
    AllowedTools,
    FunctionDefinition,
    LegacyChoice,
    PromptFields,
    ToolChoiceObject,
    ToolDefinition,
)
from mlx_gui.core.errors import CapabilityMissing, InvalidRequest
from mlx_gui.core.generation import Tool, ToolChoice


def tools_and_choice(body: PromptFields) -> tuple[tuple[Tool, ...], ToolChoice]:
    """The tools that may be called, and whether one must be. Raises InvalidRequest.

    The older fields `functions` and `function_call` mean the same, with one call an answer.
    """
    legacy = body.functions is not None or body.function_call is not None
    if legacy and (body.tools is not None or body.tool_choice is not None):
        raise InvalidRequest(
            "`functions` and `tools` exclude each other.",
            hint="Use `tools` and `tool_choice`; the others are their older form.",
            param="functions" if body.functions is not None else "function_call",
        )
    if legacy:
        tools = _functions(body.functions or (), where="functions[{}]")
        return tools, _legacy_choice(body.function_call or LegacyChoice(), tools)
    tools = _functions(
        [_function(tool, index) for index, tool in enumerate(body.tools or ())],
        where="tools[{}].function",
    )
    return _chosen(body.tool_choice, tools, parallel=body.parallel_tool_calls is not False)


def _function(tool: ToolDefinition, index: int) -> FunctionDefinition:
    where = f"tools[{index}]"
    if tool.type != "function":
        raise CapabilityMissing(
            f"`{where}.type` should be function, not {tool.type[:40]!r}.",
            hint="This server has no tools of its own; describe yours as functions.",
            param=f"{where}.type",
        )
    if tool.function is None:
        raise InvalidRequest(
            f"`{where}.function` is required.",
            hint='Send {"type": "function", "function": {"name": …, "parameters": …}}.',
            param=f"{where}.function",
        )
    return tool.function


def _functions(functions: Sequence[FunctionDefinition], *, where: str) -> tuple[Tool, ...]:
    """The functions as tools; `where` is the place of number {}."""
    seen: set[str] = set()
    for index, function in enumerate(functions):
        place = where.format(index)
        if function.name in seen:
            raise InvalidRequest(
                f"`{place}.name` is {function.name!r}, which another tool has already.",
                hint="Give every tool a name of its own.",
                param=f"{place}.name",
            )
        seen.add(function.name)
        _check_parameters(function, param=f"{place}.parameters")
    return tuple(
        Tool(function.name, function.description or "", function.parameters or {})
        for function in functions
    )


def _check_parameters(function: FunctionDefinition, *, param: str) -> None:
    parameters = function.parameters or {}
    check_schema(parameters, param=param)
    if parameters.get("type", "object") != "object":
        raise InvalidRequest(
            f"`{param}.type` should be object: arguments have names.",
            hint='Describe them like {"type": "object", "properties": {"city": …}}.',
            param=f"{param}.type",
        )


def _chosen(
    choice: ToolChoiceObject | None, tools: tuple[Tool, ...], *, parallel: bool
) -> tuple[tuple[Tool, ...], ToolChoice]:
    match choice:
        case None:
            return tools, ToolChoice(parallel=parallel)
        case ToolChoiceObject(type="none" | "auto" as mode):
            return tools, ToolChoice(mode, parallel=parallel)
        case ToolChoiceObject(type="required"):
            _check_present(tools)
            return tools, ToolChoice("required", parallel=parallel)
        case ToolChoiceObject(type="function", function=named):
            if named is None:
                raise _missing("tool_choice.function", "function")
            _check_known(named.name, tools, param="tool_choice.function.name")
            return tools, ToolChoice("named", named.name, parallel)
        case ToolChoiceObject(allowed_tools=allowed):
            if allowed is None:
                raise _missing("tool_choice.allowed_tools", "allowed_tools")
            return _allowed(allowed, tools), ToolChoice(allowed.mode, parallel=parallel)


def _allowed(allowed: AllowedTools, tools: tuple[Tool, ...]) -> tuple[Tool, ...]:
    """The model is told of no others: what it does not know, it does not call."""
    names = [reference.function.name for reference in allowed.tools]
    for index, name in enumerate(names):
        param = f"tool_choice.allowed_tools.tools[{index}].function.name"
        _check_known(name, tools, param=param)
    return tuple(tool for tool in tools if tool.name in names)


def _legacy_choice(choice: LegacyChoice, tools: tuple[Tool, ...]) -> ToolChoice:
    if choice.name is None:
        return ToolChoice(choice.mode or "auto", parallel=False)
    _check_known(choice.name, tools, param="function_call.name")
    return ToolChoice("named", choice.name, parallel=False)


def _check_present(tools: tuple[Tool, ...]) -> None:
    if not tools:
        raise InvalidRequest(
            "`tool_choice` is required, but there are no tools.",
            hint="Send `tools`, or leave `tool_choice` out.",
            param="tool_choice",
        )


def _check_known(name: str, tools: tuple[Tool, ...], *, param: str) -> None:
    names = [tool.name for tool in tools]
    if name not in names:
        shown = ", ".join(names[:8]) + (", …" if len(names) > 8 else "")
        raise InvalidRequest(
            f"`{param}` is {name[:64]!r}, which none of the tools is called.",
            hint=f"The tools are: {shown}." if names else "Send the tool in `tools`.",
            param=param,
        )


def _missing(param: str, kind: str) -> InvalidRequest:
    return InvalidRequest(
        f"`{param}` is required for the type {kind}.",
        hint="Name the tool as `tools` does.",
        param=param,
    )
