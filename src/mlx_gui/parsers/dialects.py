"""Which dialect a model speaks, and the parser for one of its answers."""

from collections.abc import Callable

from mlx_gui.core.generation import GenerateRequest
from mlx_gui.core.markers import HARMONY_MARKERS, THOUGHT_MARKERS, knows_tools
from mlx_gui.parsers import harmony, tagged
from mlx_gui.parsers.base import AnswerParser, CallSyntax, Dialect, LibraryTools
from mlx_gui.parsers.deepseek import CALLS_BEGIN, DeepSeek
from mlx_gui.parsers.enforced import EnforcedAnswer
from mlx_gui.parsers.harmony import HarmonyAnswer
from mlx_gui.parsers.library_syntax import LibrarySyntax
from mlx_gui.parsers.marked import MarkedAnswer, PlainAnswer
from mlx_gui.parsers.markers import tokens_in
from mlx_gui.parsers.mistral import Mistral

_OWN: tuple[tuple[str, CallSyntax], ...] = (
    ("<|/tool_call|>", tagged.PHI4_MINI),
    ("<|tool_call|>", tagged.GRANITE),
    ("<|START_ACTION|>", tagged.COHERE),
    ("<tool_calls>", tagged.HUNYUAN),
    ("```tool_code", tagged.GEMMA3),
    ("<tool_call>", tagged.HERMES),
    ("<|python_tag|>", tagged.LLAMA3),
    ("ipython", tagged.LLAMA3),
)
"""Texts in a template, and the syntax that they mean."""


def dialect_of(
    template: str | None, has_token: Callable[[str], bool], library: LibraryTools | None
) -> Dialect:
    """What the answers of a model with this template and vocabulary look like.

    Where the template knows no tools, calls are as the generic prompt describes them.
    """
    text = template or ""
    if all(marker in text and has_token(marker) for marker in HARMONY_MARKERS):
        return Dialect(harmony.FORM, None, harmony.MARKERS, harmony.THINK_START, harmony.THINK_END)
    calls = _syntax(text, library)
    start, end = _thought(text, has_token)
    markers = dict.fromkeys([*tokens_in(f"{start or ''}{end or ''}"), *calls.markers])
    return Dialect(calls.form, calls, tuple(markers), start, end)


def parser_for(
    dialect: Dialect,
    request: GenerateRequest,
    *,
    prompt_ends_in_thought: bool,
    constrained: bool,
) -> AnswerParser:
    """A parser for one answer.

    `constrained` says that a grammar lets it have calls in the dialect's own form only.
    """
    if request.reasoning.raw:
        return PlainAnswer()
    tools = () if request.tool_choice.mode == "none" else request.tools
    if dialect.calls is None:
        return HarmonyAnswer(tools, enforced=constrained, thinking=prompt_ends_in_thought)
    calls = dialect.calls if tools and not constrained else None
    if dialect.thought is None and calls is None and not constrained:
        return PlainAnswer()
    answer = MarkedAnswer(
        thought=dialect.thought,
        calls=calls,
        tools=tools,
        thinking=prompt_ends_in_thought and dialect.thought is not None,
    )
    names = {tool.name for tool in tools}
    return EnforcedAnswer(answer, dialect.form, names) if constrained else answer


def _syntax(template: str, library: LibraryTools | None) -> CallSyntax:
    if "[TOOL_CALLS]" in template:
        return Mistral(named="[ARGS]" in template)
    if CALLS_BEGIN in template:
        return DeepSeek(fenced="```json" in template)
    if not knows_tools(template):
        return tagged.GENERIC
    if library is not None and library.name != "json_tools":
        return LibrarySyntax(library)
    return next((calls for text, calls in _OWN if text in template), tagged.GENERIC)


def _thought(
    template: str, has_token: Callable[[str], bool]
) -> tuple[str, str] | tuple[None, None]:
    """Tokens count for more than the template, which may only mention another model's."""
    for start, end in THOUGHT_MARKERS:
        if all(has_token(token) for token in tokens_in(start + end)):
            return start, end
    for start, end in THOUGHT_MARKERS:
        if start in template and end in template:
            return start, end
    return None, None
