"""Grammars that enforce calls, judged by llguidance itself."""

import json
from functools import cache

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from llguidance import LLMatcher, LLTokenizer
from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers

from mlx_gui.core.errors import InvalidRequest
from mlx_gui.core.generation import Tool, ToolChoice
from mlx_gui.parsers import harmony
from mlx_gui.parsers.base import Call
from mlx_gui.parsers.dialects import dialect_of
from mlx_gui.parsers.grammar import answer_grammar, call_grammar
from tests.unit.parsers.answers import (
    AUTO,
    PARIS,
    TEMPLATES,
    TOOLS,
    WEATHER,
    called,
    content,
    dialect,
    library,
    parser,
    read,
    reasoning,
)

REQUIRED = ToolChoice("required")
ONE = ToolChoice("required", parallel=False)
NAMED = ToolChoice("named", "get_weather")
SECOND = Call("add", '{"a": 1}')
END = "<|end_of_turn|>"
# What JSON escapes and what markers begin with is for the tokenizer and llguidance to judge.
LETTERS = st.characters(exclude_categories=["Cc", "Cs"], exclude_characters="<[`")


@cache
def tokenizer(name: str) -> Tokenizer:
    """A token for every byte, and for every marker of a dialect."""
    vocabulary = {letter: id for id, letter in enumerate(pre_tokenizers.ByteLevel.alphabet())}
    made = Tokenizer(models.BPE(vocab=vocabulary, merges=[]))
    made.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
    made.decoder = decoders.ByteLevel()
    markers = [END, *dialect(name).markers]
    made.add_special_tokens([AddedToken(marker, normalized=False) for marker in markers])
    return made


@cache
def guide(name: str) -> LLTokenizer:
    made = tokenizer(name)
    return LLTokenizer(
        made.to_str(), n_vocab=made.get_vocab_size(), eos_token=made.token_to_id(END)
    )


def grammar(name: str, choice: ToolChoice) -> str:
    token_id = tokenizer(name).token_to_id
    return call_grammar(dialect(name), TOOLS, choice, token_id)


def accepts(name: str, lark: str, text: str) -> bool:
    matcher = LLMatcher(guide(name), LLMatcher.grammar_from_lark(lark))
    assert not matcher.get_error()
    ids = tokenizer(name).encode(text, add_special_tokens=False).ids
    return matcher.try_consume_tokens(ids) == len(ids) and matcher.is_accepting()


SCHEMA = {
    "type": "object",
    "properties": {"name": {"type": "string"}, "n": {"type": "integer"}},
    "x-guidance": {"whitespace_flexible": False},
}


def either(name: str, answer: str, choice: ToolChoice = AUTO) -> str:
    return answer_grammar(
        dialect(name), answer, tools=TOOLS, choice=choice, token_id=tokenizer(name).token_to_id
    )


def headed(name: str, answer: str) -> str:
    """`answer` with what stands in front of one in the dialect."""
    return harmony.FINAL + answer if dialect(name).calls is None else answer


@pytest.mark.parametrize("name", TEMPLATES)
def test_beside_a_schema_there_may_be_calls(name: str) -> None:
    lark = either(name, f"%json {json.dumps(SCHEMA)}")
    form = dialect(name).form
    calls = [PARIS, SECOND][: None if form.several else 1]
    for written in ("{}", '{"name":"Paris"}', '{"name":"get_weather","n":3}', '{"n":3}'):
        text = headed(name, written)
        assert accepts(name, lark, text)
        assert read(parser(dialect(name), constrained=True), text) == content(written)
    assert accepts(name, lark, form.render(calls))
    assert read(parser(dialect(name), constrained=True), form.render(calls)) == called(*calls)
    for text in (
        headed(name, '{"n": "x"}'),
        headed(name, '{"n":3}') + form.render(calls),
        "Hello",
        form.render([Call("unknown", "{}")]),
        form.render([Call("get_weather", "{}")]),
    ):
        assert not accepts(name, lark, text)


@pytest.mark.parametrize("name", TEMPLATES)
@pytest.mark.parametrize("answer", ["/[a-z]+/", '%lark {\nstart: "a" WORD\nWORD: /[a-z]+/\n}'])
def test_beside_a_regex_or_a_grammar_what_reads_like_a_call_is_one(name: str, answer: str) -> None:
    lark = either(name, answer)
    text = headed(name, "abc")
    assert accepts(name, lark, text)
    assert read(parser(dialect(name), constrained=True), text) == content("abc")
    assert accepts(name, lark, dialect(name).form.render([PARIS]))


@pytest.mark.parametrize("name", TEMPLATES)
def test_beside_a_schema_there_is_one_call_if_no_several_are_wanted(name: str) -> None:
    lark = either(name, "%json {}", ToolChoice(parallel=False))
    form = dialect(name).form
    assert accepts(name, lark, form.render([PARIS]))
    assert not accepts(name, lark, form.render([PARIS, PARIS]))


def test_text_that_only_begins_like_a_call_is_content() -> None:
    form = dialect("Llama 3").form
    for text in ('{"name": "', '{"name": "somebody", "parameters": {}}', '{"name": "add", "p'):
        assert read(parser(dialect("Llama 3"), constrained=True), text) == content(text)
    cut = form.render([PARIS]) + form.between + form.before_name + "ad"
    assert read(parser(dialect("Llama 3"), constrained=True), cut) == [
        *called(PARIS),
        *content(form.before_name + "ad"),
    ]


@pytest.mark.parametrize("choice", [REQUIRED, ONE, NAMED])
@pytest.mark.parametrize("name", TEMPLATES)
def test_every_grammar_is_valid(name: str, choice: ToolChoice) -> None:
    lark = LLMatcher.grammar_from_lark(grammar(name, choice))
    assert LLMatcher.validate_grammar(lark, guide(name)) == ""


@pytest.mark.parametrize("name", TEMPLATES)
@settings(deadline=None, max_examples=20)
@given(city=st.text(LETTERS, max_size=12))
def test_what_a_grammar_lets_through_is_read_as_calls(name: str, city: str) -> None:
    form = dialect(name).form
    call = Call("get_weather", json.dumps({"city": city}, ensure_ascii=False))
    for choice, calls in ((NAMED, [call]), (ONE, [call]), (REQUIRED, [call, SECOND])):
        calls = calls[: None if form.several else 1]
        text = form.render(calls)
        assert accepts(name, grammar(name, choice), text)
        assert read(parser(dialect(name), constrained=True), text) == called(*calls)


@pytest.mark.parametrize("name", TEMPLATES)
def test_a_grammar_refuses_all_else(name: str) -> None:
    form = dialect(name).form
    assert not accepts(name, grammar(name, REQUIRED), "Hello")
    assert not accepts(name, grammar(name, REQUIRED), form.render([Call("unknown", "{}")]))
    assert not accepts(name, grammar(name, REQUIRED), form.render([Call("get_weather", "{}")]))
    assert not accepts(name, grammar(name, NAMED), form.render([SECOND]))
    assert not accepts(name, grammar(name, NAMED), form.render([PARIS, PARIS]))
    assert not accepts(name, grammar(name, ONE), form.render([PARIS, PARIS]))


@pytest.mark.parametrize("name", [name for name in TEMPLATES if dialect(name).thought])
def test_calls_are_read_after_a_thought(name: str) -> None:
    of = dialect(name)
    assert of.thought is not None
    start, end = of.thought
    again = "<|start|>assistant" if of.calls is None else "\n"
    text = f"{start}\nLet me see. < </\n{end}{again}{of.form.render([PARIS])}"
    pieces = read(parser(of, constrained=True), text)
    assert pieces[1:] == called(PARIS)
    assert str(pieces[0]).count("Let me see.") == 1
    assert pieces[0] in (*reasoning("Let me see. < </"), *reasoning("\nLet me see. < </\n"))


def test_markers_that_are_no_tokens_are_written_as_text() -> None:
    of = dialect("Qwen3")
    lark = call_grammar(of, TOOLS, NAMED, lambda _: None)
    assert "<[" not in lark
    assert LLMatcher.validate_grammar(LLMatcher.grammar_from_lark(lark), guide("Qwen3")) == ""


@pytest.mark.parametrize("name", ["gemma4", "glm47", "minicpm5", "pythonic", "qwen3_coder"])
def test_dialects_of_the_library_are_enforced_as_json(name: str) -> None:
    of = dialect_of("{{ tools }}", lambda _: False, library(name))
    lark = call_grammar(of, TOOLS, REQUIRED, lambda _: None)
    assert accepts("Gemma 3", lark, of.form.render([PARIS, SECOND]))


def test_a_tool_without_parameters_takes_any_object() -> None:
    lark = call_grammar(dialect("Qwen3"), (Tool("now"),), REQUIRED, tokenizer("Qwen3").token_to_id)
    for arguments in ("{}", '{"zone": "UTC"}'):
        assert accepts("Qwen3", lark, dialect("Qwen3").form.render([Call("now", arguments)]))


def test_a_choice_that_no_tool_meets_is_refused() -> None:
    with pytest.raises(InvalidRequest, match=r"no tool nothing; the tools are: get_weather"):
        call_grammar(dialect("Qwen3"), (WEATHER,), ToolChoice("named", "nothing"), lambda _: None)
    with pytest.raises(InvalidRequest, match="there are no tools"):
        call_grammar(dialect("Qwen3"), (), REQUIRED, lambda _: None)


def test_arguments_that_a_tool_does_not_name_are_not_made_up() -> None:
    parameters = {"type": "object", "properties": {"city": {"type": "string"}}}
    token_id = tokenizer("Qwen3").token_to_id
    for more, allowed in (({}, False), ({"additionalProperties": True}, True)):
        tool = Tool("find", parameters=parameters | more)
        lark = call_grammar(dialect("Qwen3"), (tool,), REQUIRED, token_id)
        call = Call("find", '{"city": "Paris", "zip": 1}')
        assert accepts("Qwen3", lark, dialect("Qwen3").form.render([call])) == allowed
