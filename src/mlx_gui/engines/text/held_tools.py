"""Tools whose calls a grammar enforces: each is held to what of its schema can be enforced.

One grammar has all of them, and is tried first, since it mostly compiles. Only where it does not,
the tools are looked at one by one; and where it is too large, they take any object.
"""

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import msgspec

from mlx_gui.core.errors import InvalidRequest
from mlx_gui.core.generation import Grammar, Tool
from mlx_gui.engines.text.enforceable import ErrorOf, enforceable, prepared
from mlx_gui.engines.text.grammar import CompiledGrammar, GrammarCompiler
from mlx_gui.engines.text.grammar_refusal import refusal, unenforceable
from mlx_gui.engines.text.schema_nodes import Schema

_EXAMINED = 128
_MAX_CHARACTERS = 400_000
"""Of all schemas together: the grammar of them takes about two seconds to compile."""

Compile = Callable[[Sequence[Tool], tuple[str, ...]], CompiledGrammar]
"""The grammar of calls of these tools, with the places that it does not enforce."""


@dataclass(frozen=True, slots=True)
class _Held:
    """A tool with the part of its schema that is enforced, and the places of the rest."""

    tool: Tool
    left: tuple[str, ...] = ()


def with_held_tools(
    tools: Sequence[Tool],
    compile_calls: Compile,
    *,
    grammars: GrammarCompiler,
    demanded: bool,
) -> CompiledGrammar:
    """What `compile_calls` makes of the tools as far as they can be enforced.

    If a call is `demanded`, a strict tool that cannot be enforced in full is refused, and so is a
    schema that no arguments match, if no other tool could be called. Raises InvalidRequest.
    """
    if not demanded:
        tools = [msgspec.structs.replace(tool, strict=False) for tool in tools]
    try:
        return _compiled([_held(tool, _unasked) for tool in tools], compile_calls)
    except _TooLarge:
        pass
    except InvalidRequest:
        examined = _examined(tools, grammars, refuse=demanded and len(tools) == 1)
        try:
            return _compiled(examined, compile_calls)
        except (InvalidRequest, _TooLarge):
            pass
    return _compiled([_unheld(tool) for tool in tools], compile_calls)


class _TooLarge(Exception):
    """The schemas are too large together."""


def _compiled(held: Sequence[_Held], compile_calls: Compile) -> CompiledGrammar:
    """Raises InvalidRequest or _TooLarge."""
    if sum(len(json.dumps(each.tool.parameters)) for each in held) > _MAX_CHARACTERS:
        raise _TooLarge
    left = tuple(place for each in held for place in each.left)
    return compile_calls([each.tool for each in held], left)


def _examined(tools: Sequence[Tool], grammars: GrammarCompiler, *, refuse: bool) -> list[_Held]:
    """Each tool by itself. Those behind so many others take any object."""
    for tool in tools:
        if tool.strict:
            _check(tool, grammars)
    return [
        _held(tool, grammars.error_of, refuse=refuse) if index < _EXAMINED else _unheld(tool)
        for index, tool in enumerate(tools)
    ]


def _check(tool: Tool, grammars: GrammarCompiler) -> None:
    """Raises InvalidRequest, with the tool's name, unless its schema can be enforced in full."""
    try:
        grammars.check_and_compile(Grammar("json_schema", _text(tool), strict=True))
    except InvalidRequest as error:
        raise _named(tool, error) from error


def _held(tool: Tool, error_of: ErrorOf, *, refuse: bool = False) -> _Held:
    """The tool as far as it can be enforced. One that nothing matches takes any object.

    Raises InvalidRequest for that one if it should `refuse` it, and for a costly strict one.
    """
    schema: Schema = json.loads(_text(tool))
    if tool.strict:
        costly = prepared(schema)
        if costly:
            raise _named(tool, unenforceable("JSON schema", costly))
        return _Held(msgspec.structs.replace(tool, parameters=schema))
    found = enforceable(schema, error_of)
    if found.error is not None:
        if refuse:
            raise _named(tool, refusal(Grammar("json_schema", _text(tool)), found.error))
        return _unheld(tool)
    left = tuple(f"{tool.name}{place}" for place in found.left)
    return _Held(msgspec.structs.replace(tool, parameters=found.schema), left)


def _unasked(schema: Schema) -> None:
    """Nothing is known against it yet."""


def _unheld(tool: Tool) -> _Held:
    """Raises InvalidRequest for a strict tool."""
    if tool.strict:
        raise _named(tool, InvalidRequest("The tools are too large together."))
    if not tool.parameters:
        return _Held(tool)
    return _Held(msgspec.structs.replace(tool, parameters={}), (f"{tool.name}#",))


def _text(tool: Tool) -> str:
    return json.dumps({"type": "object", **tool.parameters})


def _named(tool: Tool, error: InvalidRequest) -> InvalidRequest:
    return InvalidRequest(
        f"The parameters of the tool {tool.name} cannot be enforced: {error.message}",
        hint=error.hint,
        param="tools",
    )
