"""What a request demands of the form of its answer: a grammar, calls, or one of the two."""

from functools import partial

from mlx_gui.core.generation import GenerateRequest, Grammar
from mlx_gui.engines.text.grammar import CompiledGrammar, GrammarCompiler
from mlx_gui.parsers.base import Dialect
from mlx_gui.parsers.grammar import (
    TokenId,
    answer_grammar,
    call_grammar,
    check_tools,
    enforceable_tools,
)


def compiled_form(
    request: GenerateRequest, dialect: Dialect, *, grammars: GrammarCompiler, token_id: TokenId
) -> CompiledGrammar | None:
    """The grammar of the answer behind its thought; None for one that is free.

    Calls that are required take the place of a grammar; those that are allowed stand beside it.
    Raises InvalidRequest for what cannot be enforced.
    """
    tools, choice, check = request.tools, request.tool_choice, grammars.check_and_compile
    if choice.mode in ("required", "named"):
        check_tools(tools, choice, check)
        return check(Grammar("lark", call_grammar(dialect, tools, choice, token_id)))
    if request.grammar is None:
        return None
    may_call = enforceable_tools(tools, check) if may_call_in_form(request) else ()
    if _continues(request) or (dialect.calls is not None and not may_call):
        return check(request.grammar)
    around = partial(answer_grammar, dialect, tools=may_call, choice=choice, token_id=token_id)
    return check(request.grammar, around)


def may_call_in_form(request: GenerateRequest) -> bool:
    """Whether the answer has a grammar in which calls have one form only."""
    if request.tool_choice.mode in ("required", "named"):
        return True
    held = request.grammar is not None and not _continues(request)
    return held and request.tool_choice.mode == "auto" and bool(request.tools)


def _continues(request: GenerateRequest) -> bool:
    """Whether the answer begins inside of a text, where there are no headers and no calls."""
    return request.prompt is not None or request.continue_final
