"""Thoughts and content."""

import pytest

from mlx_gui.core.markers import THOUGHT_MARKERS
from mlx_gui.parsers.base import Dialect
from mlx_gui.parsers.dialects import dialect_of
from tests.unit.parsers.answers import content, dialect, parser, read, reasoning

QWEN3 = dialect("Qwen3")


def thinking_dialect(start: str, end: str) -> Dialect:
    return dialect_of(f"{start} {end}", lambda _: False, None)


@pytest.mark.parametrize(("start", "end"), THOUGHT_MARKERS)
def test_a_thought_is_told_from_the_answer_in_every_dialect(start: str, end: str) -> None:
    of = thinking_dialect(start, end)
    assert (of.think_start, of.think_end) == (start, end)
    text = f"{start}\nLet me see.\n{end}\n\nIt is 4."
    assert read(parser(of), [text]) == [*reasoning("Let me see."), *content("It is 4.")]
    assert read(parser(of), text) == [*reasoning("Let me see."), *content("It is 4.")]


@pytest.mark.parametrize(
    ("text", "pieces"),
    [
        ("No thought.", content("No thought.")),
        ("  spaces stay\n\n", content("  spaces stay\n\n")),
        ("<think>\n\n</think>\n\nHi", content("Hi")),
        ("\n<think>a</think>b", [*reasoning("a"), *content("b")]),
        ("<think>never closed\n", reasoning("never closed\n")),
        ("<think>a\n\nb\n</think>\nc", [*reasoning("a\n\nb"), *content("c")]),
        ("a <think>b</think> c", [*content("a "), *reasoning("b"), *content(" c")]),
        ("<think>a<think>b</think>c", [*reasoning("ab"), *content("c")]),
        ("a</think>b", content("ab")),
        ("a < b <thin", content("a < b <thin")),
        ("", []),
    ],
)
def test_markers_never_show_and_nothing_else_is_lost(text: str, pieces: list[object]) -> None:
    assert read(parser(QWEN3), [text]) == pieces
    assert read(parser(QWEN3), text) == pieces


def test_an_answer_to_an_open_thought_begins_inside_it() -> None:
    stream = parser(QWEN3, thinking=True)
    assert stream.thinking
    assert read(stream, ["\nHm.", "\n</thi", "nk>\n", "\nHi."]) == [
        *reasoning("Hm."),
        *content("Hi."),
    ]
    assert not stream.thinking
    assert read(parser(QWEN3, thinking=True), ["only thought"]) == reasoning("only thought")
    assert read(parser(QWEN3, thinking=True), ["<think>\nagain</think>x"]) == [
        *reasoning("again"),
        *content("x"),
    ]


def test_raw_text_is_untouched() -> None:
    text = "\n<think>\na\n</think>\n\n<tool_call>{}</tool_call> "
    assert read(parser(QWEN3, raw=True), text) == content(text)
    assert read(parser(dialect("gpt-oss"), raw=True), text) == content(text)


def test_tokens_count_for_more_than_what_the_template_mentions() -> None:
    of = dialect_of(
        "<think> </think>", lambda token: token in ("<longcat_think>", "</longcat_think>"), None
    )
    assert of.think_start == "<longcat_think>"
    assert dialect_of("{{ messages }}", lambda _: False, None).thought is None
    assert dialect_of(None, lambda _: False, None).thought is None


def test_markers_name_the_tokens_that_must_stay_visible() -> None:
    assert QWEN3.markers == ("<think>", "</think>", "<tool_call>", "</tool_call>")
    assert thinking_dialect("<|channel>thought", "<channel|>").markers[:2] == (
        "<|channel>",
        "<channel|>",
    )
