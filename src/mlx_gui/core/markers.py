"""What the text of a chat template tells about a model."""

import re

THOUGHT_MARKERS: tuple[tuple[str, str], ...] = (
    ("<think>", "</think>"),
    ("<longcat_think>", "</longcat_think>"),
    ("<|think:start|>", "<|think:end|>"),
    ("[THINK]", "[/THINK]"),
    ("<|channel>thought", "<channel|>"),
    ("<|START_THINKING|>", "<|END_THINKING|>"),
    ("<|open|>think<|sep|>", "<|close|>think<|sep|>"),
    ("<seed:think>", "</seed:think>"),
    ("<|begin_of_thought|>", "<|end_of_thought|>"),
)
"""Between which of these texts models think; harmony's channels are another matter."""

HARMONY_MARKERS = ("<|channel|>", "<|message|>")
"""Both in a template mean OpenAI's harmony format: every text has a channel."""

# One without an end goes to the end: looking for it anew at each begin would take for ever.
_COMMENT = re.compile(r"\{#.*?(?:#\}|\Z)", re.DOTALL)
_TOOLS = re.compile(r"\btools\b")


def knows_tools(template: str) -> bool:
    """Whether the template writes the tools of a request into the prompt."""
    return _TOOLS.search(_COMMENT.sub("", template)) is not None


def knows_calls(template: str) -> bool:
    """Whether the template writes the calls of earlier turns into the prompt."""
    return "tool_calls" in _COMMENT.sub("", template)


def knows_thoughts(template: str) -> bool:
    """Whether the model thinks before it answers, as far as its template tells."""
    pairs = (HARMONY_MARKERS, *THOUGHT_MARKERS)
    return "enable_thinking" in template or any(
        start in template and end in template for start, end in pairs
    )
