"""What a request demands of the form of its answer: a grammar, calls, or one of the two."""

from collections.abc import Sequence

from mlx_gui.core.generation import GenerateRequest, Tool
from mlx_gui.engines.text.grammar import CompiledGrammar, GrammarCompiler
from mlx_gui.engines.text.held_tools import check_grammars, with_held_tools
from mlx_gui.parsers.base import Dialect
from mlx_gui.parsers.grammar import TokenId, allowed_tools, answer_grammar, call_grammar


def compiled_form(
    request: GenerateRequest, dialect: Dialect, *, grammars: GrammarCompiler, token_id: TokenId
) -> CompiledGrammar | None:
    """The grammar of the answer behind its thought; None for one that is free.

    Calls that are required take the place of a grammar; those that are allowed stand beside it.
    Raises InvalidRequest for what cannot be enforced.
    """
    choice = request.tool_choice
    if choice.mode != "none":
        check_grammars(request.tools, grammars)

    def calls(tools: Sequence[Tool], left: tuple[str, ...]) -> CompiledGrammar:
        text = call_grammar(dialect, tools, choice, token_id)
        return grammars.compile_calls(text, with_digits=True, not_enforced=left)

    if choice.mode in ("required", "named"):
        allowed = allowed_tools(request.tools, choice)
        return with_held_tools(allowed, calls, grammars=grammars, demanded=True)
    if request.grammar is None:
        return None
    answer = grammars.check_and_compile(request.grammar)
    may_call = request.tools if may_call_in_form(request) else ()
    if _continues(request) or (dialect.calls is not None and not may_call):
        return answer

    def either(tools: Sequence[Tool], left: tuple[str, ...]) -> CompiledGrammar:
        text = answer_grammar(dialect, answer.rule, tools=tools, choice=choice, token_id=token_id)
        return grammars.compile_calls(
            text,
            with_digits=answer.digits is not None,
            not_enforced=(*answer.not_enforced, *left),
        )

    return with_held_tools(may_call, either, grammars=grammars, demanded=False)


def may_call_in_form(request: GenerateRequest) -> bool:
    """Whether the answer has a grammar in which calls have one form only."""
    if request.tool_choice.mode in ("required", "named"):
        return True
    held = request.grammar is not None and not _continues(request)
    return held and request.tool_choice.mode == "auto" and bool(request.tools)


def _continues(request: GenerateRequest) -> bool:
    """Whether the answer begins inside of a text, where there are no headers and no calls."""
    return request.prompt is not None or request.continue_final
