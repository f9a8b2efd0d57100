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
from mlx_gui.engines.text.grammar import MAX_CHARACTERS, CompiledGrammar, GrammarCompiler
from mlx_gui.engines.text.grammar_refusal import refusal, unenforceable
from mlx_gui.engines.text.schema_nodes import Schema

_EXAMINED = 128
_MAX_CHARACTERS = 400_000
"""Of all schemas together: the grammar of them takes about two seconds to compile."""

_TEXT = "input"
_TEXT_PATTERN = f"#/properties/{_TEXT}/pattern"

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


def check_grammars(tools: Sequence[Tool], grammars: GrammarCompiler) -> None:
    """Raises InvalidRequest, with the tool's name, for the grammar of a text that is none."""
    held = [(tool, tool.grammar) for tool in tools if tool.grammar is not None]
    characters = sum(len(grammar.text) for _, grammar in held)
    if characters > MAX_CHARACTERS:
        raise InvalidRequest(
            f"The grammars of the tools have {characters} characters; {MAX_CHARACTERS} are "
            "allowed.",
            hint="Make them shorter, or send fewer tools.",
            param="tools",
        )
    for tool, grammar in held:
        try:
            grammars.check_and_compile(grammar)
        except InvalidRequest as error:
            raise InvalidRequest(
                f"The grammar of the tool {tool.name} cannot be used: {error.message}",
                hint=error.hint,
                param="tools",
            ) from error


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
    unheld_text = _hold_text(schema, tool.grammar)
    found = enforceable(schema, error_of)
    if found.error is not None:
        if refuse:
            raise _named(tool, refusal(Grammar("json_schema", _text(tool)), found.error))
        return _unheld(tool)
    places = found.left
    if unheld_text or _TEXT_PATTERN in places:
        # The pattern is ours, and what the client has written is the format.
        places = (*(place for place in places if place != _TEXT_PATTERN), "#/format")
    left = tuple(f"{tool.name}{place}" for place in places)
    return _Held(msgspec.structs.replace(tool, parameters=found.schema), left)


def _hold_text(schema: Schema, grammar: Grammar | None) -> bool:
    """Hold the text of a tool to its regex. Whether that cannot be done: a grammar is none."""
    if grammar is None or grammar.kind != "regex":
        return grammar is not None
    schema["properties"][_TEXT]["pattern"] = f"^(?:{grammar.text})$"
    return False


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
