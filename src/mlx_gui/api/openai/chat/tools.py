"""OpenAI's tools, and which of them may be called, as core has them."""

from collections.abc import Sequence

from mlx_gui.api.json_schema import check_schema
from mlx_gui.api.openai.chat.wire import (
    AllowedTools,
    CustomDefinition,
    CustomFormat,
    FunctionDefinition,
    LegacyChoice,
    PromptFields,
    ToolChoiceObject,
    ToolDefinition,
)
from mlx_gui.api.openai.custom import checked_grammar, custom_tool
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
    tools = tuple(_tool(tool, where=f"tools[{n}]") for n, tool in enumerate(body.tools or ()))
    _check_names(
        [
            (tool.name, f"tools[{n}].{given.type}.name")
            for n, (tool, given) in enumerate(zip(tools, body.tools or (), strict=True))
        ]
    )
    return _chosen(body.tool_choice, tools, parallel=body.parallel_tool_calls is not False)


def _tool(tool: ToolDefinition, *, where: str) -> Tool:
    if tool.type not in ("function", "custom"):
        raise CapabilityMissing(
            f"`{where}.type` should be custom or function, not {tool.type[:40]!r}.",
            hint="This server has no tools of its own; describe yours as functions.",
            param=f"{where}.type",
        )
    if tool.type == "custom" and tool.custom is not None:
        return _custom(tool.custom, where=f"{where}.custom")
    if tool.type == "function" and tool.function is not None:
        return _function(tool.function, where=f"{where}.function")
    raise InvalidRequest(
        f"`{where}.{tool.type}` is required.",
        hint=f'Send {{"type": "{tool.type}", "{tool.type}": {{"name": …}}}}.',
        param=f"{where}.{tool.type}",
    )


def _custom(custom: CustomDefinition, *, where: str) -> Tool:
    form = custom.format or CustomFormat(type="text")
    grammar = form.grammar
    syntax, definition = checked_grammar(
        form.type,
        grammar.syntax if grammar else None,
        grammar.definition if grammar else None,
        where=f"{where}.format.grammar",
    )
    return custom_tool(custom.name, custom.description, syntax=syntax, definition=definition)


def _functions(functions: Sequence[FunctionDefinition], *, where: str) -> tuple[Tool, ...]:
    """The functions as tools; `where` is the place of number {}."""
    _check_names([(each.name, f"{where.format(n)}.name") for n, each in enumerate(functions)])
    return tuple(_function(each, where=where.format(n)) for n, each in enumerate(functions))


def _function(function: FunctionDefinition, *, where: str) -> Tool:
    _check_parameters(function, param=f"{where}.parameters")
    return Tool(
        function.name,
        function.description or "",
        function.parameters or {},
        strict=function.strict or False,
    )


def _check_names(names: Sequence[tuple[str, str]]) -> None:
    """Raises InvalidRequest where a name, given with its place, comes twice."""
    seen: set[str] = set()
    for name, place in names:
        if name in seen:
            raise InvalidRequest(
                f"`{place}` is {name!r}, which another tool has already.",
                hint="Give every tool a name of its own.",
                param=place,
            )
        seen.add(name)


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
        case ToolChoiceObject(type="function" | "custom" as kind):
            named = choice.function if kind == "function" else choice.custom
            if named is None:
                raise _missing(f"tool_choice.{kind}", kind)
            _check_known(named.name, tools, param=f"tool_choice.{kind}.name")
            return tools, ToolChoice("named", named.name, parallel)
        case ToolChoiceObject(allowed_tools=allowed):
            if allowed is None:
                raise _missing("tool_choice.allowed_tools", "allowed_tools")
            return _allowed(allowed, tools), ToolChoice(allowed.mode, parallel=parallel)


def _allowed(allowed: AllowedTools, tools: tuple[Tool, ...]) -> tuple[Tool, ...]:
    """The model is told of no others: what it does not know, it does not call."""
    names: list[str] = []
    for index, reference in enumerate(allowed.tools):
        where = f"tool_choice.allowed_tools.tools[{index}].{reference.type}"
        named = reference.function if reference.type == "function" else reference.custom
        if named is None:
            raise _missing(where, reference.type)
        _check_known(named.name, tools, param=f"{where}.name")
        names.append(named.name)
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
