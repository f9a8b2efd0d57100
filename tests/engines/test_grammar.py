"""Answers that are held to a grammar. MLX runs in a child."""

import json
import re
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from hypothesis import HealthCheck, assume, event, given, settings
from hypothesis import strategies as st

from mlx_gui.core.errors import CapabilityMissing, InvalidRequest
from mlx_gui.core.generation import GenerateRequest, Grammar, Sampling, Tool, ToolChoice
from mlx_gui.parsers.dialects import dialect_of
from mlx_gui.parsers.harmony import MARKERS
from tests.engines.parts import Ask, compiler, generate, token_bytes, tokenizer, vocabulary
from tests.engines.remote import RemoteEngine
from tests.engines.schemas import Schema, schemas
from tests.zoo.cache import checkpoint
from tests.zoo.families import FAMILIES

PERSON = {
    "type": "object",
    "properties": {
        "name": {"type": "string", "maxLength": 6},
        "age": {"type": "integer", "minimum": 0, "maximum": 120},
        "tags": {"type": "array", "items": {"enum": ["red", "blue"]}, "maxItems": 2},
    },
    "required": ["name", "age", "tags"],
    "additionalProperties": False,
}


def of_schema(schema: Any) -> Grammar:
    return Grammar("json_schema", json.dumps(schema))


@pytest.fixture(scope="module")
def folder() -> Path:
    return checkpoint("Qwen3-tiny")


def compiled(folder: Path, grammar: Grammar) -> None:
    """In the child."""
    compiler(folder).check_and_compile(grammar)


DEEP = '{"items":' * 10_000 + "{}" + "}" * 10_000
WIDE = {"type": "object", "properties": {f"p{index}": {} for index in range(3000)}}


@pytest.mark.parametrize(
    ("kind", "text", "said"),
    [
        ("json_schema", '{"not": {}}', "cannot be enforced: #/not."),
        (
            "json_schema",
            '{"properties": {"not": {"items": {"uniqueItems": true, "contains": {}}}}}',
            "#/properties/not/items/uniqueItems, #/properties/not/items/contains",
        ),
        ("json_schema", '{"x-guidance": {"lenient": true}, "not": {}}', "#/not"),
        ("json_schema", json.dumps({"anyOf": [{"not": {}}] * 5_000}), "#/anyOf/0/not, #/anyOf/1"),
        ("json_schema", '{"allOf": [{"if": {}}]}', "#/allOf/0/if"),
        ("json_schema", '{"type": "string", "format": "frob"}', "Unknown format: frob"),
        ("json_schema", '{"$ref": "http://example.com/x.json"}', "http://example.com/x.json"),
        ("json_schema", '{"$ref": "#/$defs/none"}', "/$defs/none"),
        ("json_schema", '{"$ref": "#"}', "nothing matches it"),
        ("json_schema", '{"type": "frob"}', "frob"),
        ("json_schema", '{"type": "string", "minLength": "a"}', "minLength"),
        ("json_schema", '{"type": "string", "minLength": 3, "maxLength": 1}', "minLength (3)"),
        ("json_schema", '{"oneOf": [{"type": "number"}, {"type": "integer"}]}', "oneOf"),
        ("json_schema", '{"type": "string", "pattern": "("}', "unclosed group"),
        ("json_schema", '{"enum": []}', "Unsatisfiable"),
        ("json_schema", "{", "EOF"),
        ("json_schema", "", "EOF"),
        ("json_schema", "[]", "not a JSON object"),
        ("json_schema", "true", "not a JSON object"),
        ("json_schema", DEEP, "recursion limit"),
        ("json_schema", json.dumps(WIDE), "max is 5000"),
        ("json_schema", json.dumps({"enum": ["x" * 300_000]}), "200000 are allowed"),
        ("regex", "(", "cannot be enforced: regex parse error: unclosed group"),
        ("regex", "(?=a)b", "look-around"),
        ("regex", r"(a)\1", "backreferences"),
        ("regex", r"[^\s\S]", "nothing matches it"),
        ("regex", "a" * 10_001, "10001 characters; 10000 are allowed"),
        ("regex", "(" * 4_000 + ")" * 4_000, "regex parse error"),
        ("lark", "", "no start rule found"),
        ("lark", "start: foo", 'at 1(8): unknown name: "foo"'),
        ("lark", 'start: "a', "1(10)"),
        ("lark", 'begin: "a"', "no start rule"),
        ("lark", "start: start", "nothing matches it"),
        ("lark", "%import os.path\nstart: path", "at 1(1): Unknown common regex"),
        ("lark", "start: <[99999]>", "99999"),
        ("lark", "start: <nope>", "<nope>"),
        ("lark", 'start: %json {"not": {}}', "cannot be enforced: not."),
        ("lark", "start: " + "(" * 3_000 + '"a"' + ")" * 3_000, "too deeply nested"),
    ],
)
def test_what_cannot_be_enforced_is_refused_with_the_reason_if_it_is_strict(
    engine: RemoteEngine, folder: Path, kind: Any, text: str, said: str
) -> None:
    with pytest.raises(InvalidRequest) as refused:
        engine.child.call(compiled, folder, Grammar(kind, text, strict=True))
    assert said in refused.value.message
    assert len(refused.value.message) < 500
    assert refused.value.hint


def left_of(folder: Path, schema: Any) -> tuple[str, ...]:
    """In the child."""
    return compiler(folder).check_and_compile(of_schema(schema)).not_enforced


@pytest.mark.parametrize(
    ("schema", "left"),
    [
        ({"type": "array", "uniqueItems": True}, ("#/uniqueItems",)),
        ({"type": "string", "pattern": "(?=a)b", "format": "iri"}, ("#/format", "#/pattern")),
        ({"x-guidance": {"lenient": True}, "not": {}}, ("#/not",)),
        ({"oneOf": [{"type": "number"}, {"type": "integer"}]}, ("#/oneOf",)),
        (WIDE, ("#",)),
        (PERSON, ()),
    ],
)
def test_of_a_schema_that_is_not_strict_the_rest_is_enforced(
    engine: RemoteEngine, folder: Path, schema: Any, left: tuple[str, ...]
) -> None:
    assert engine.child.call(left_of, folder, schema) == left


@pytest.mark.parametrize(
    "schema",
    [
        {"$ref": "#/$defs/none"},
        {"$ref": "http://example.com/x.json"},
        {"type": "frob", "not": {}},
        {"type": "string", "minLength": 3, "maxLength": 1},
        {"enum": []},
        {"$ref": "#"},
        [],
    ],
)
def test_what_nothing_matches_is_refused_strict_or_not(
    engine: RemoteEngine, folder: Path, schema: Any
) -> None:
    with pytest.raises(InvalidRequest, match="JSON schema"):
        engine.child.call(left_of, folder, schema)


def of_one_that_spells() -> None:
    """In the child: a tokenizer without a fast form."""
    from transformers import ByT5Tokenizer

    from mlx_gui.engines.text.grammar import GrammarCompiler
    from mlx_gui.engines.text.mlx_lm import TokenizerWrapper

    slow = TokenizerWrapper(ByT5Tokenizer())
    GrammarCompiler(slow, 300, slow.eos_token_ids).check_and_compile(Grammar("json_object"))


def test_a_tokenizer_that_grammars_cannot_read_is_no_surprise(engine: RemoteEngine) -> None:
    with pytest.raises(CapabilityMissing, match="cannot be held to a grammar"):
        engine.child.call(of_one_that_spells)


@dataclass(frozen=True, slots=True)
class Walk:
    """A random answer; `data` are its bytes, and `ended` says whether it ended by itself."""

    data: bytes
    ended: bool
    error: str | None


def walk(
    folder: Path, grammar: Grammar, seed: int, most: int = 400, liked: bytes = b'"}],:'
) -> Walk:
    """In the child: an answer drawn by chance, with a liking for what closes."""
    import mlx.core as mx
    import numpy as np

    from mlx_gui.engines.text.processors import GuardedProcessors

    mask = GuardedProcessors([compiler(folder).check_and_compile(grammar).start()])
    spell, chance = token_bytes(folder), np.random.default_rng(seed)
    ends = tokenizer(folder).eos_token_ids
    closing = np.array([4.0 * (spell(id)[:1] in liked) for id in range(vocabulary(folder))])
    ids: list[int] = []
    while len(ids) < most:
        logits: Any = (closing + chance.normal(size=closing.size)).astype(np.float32)
        row = mask(mx.array([0, *ids], mx.int32), mx.array(logits)[None])
        if mask.error is not None:
            return Walk(b"".join(map(spell, ids)), False, mask.error.message)
        token = int(mx.argmax(row).item())
        if token in ends:
            return Walk(b"".join(map(spell, ids)), True, None)
        ids.append(token)
    return Walk(b"".join(map(spell, ids)), False, None)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(schema=schemas(), seed=st.integers(0, 2**32))
def test_an_answer_that_ends_by_itself_validates_against_its_schema(
    engine: RemoteEngine, folder: Path, schema: Schema, seed: int
) -> None:
    answer = engine.child.call(walk, folder, of_schema(schema), seed)
    assert answer.error is None
    event(f"ended: {answer.ended}")
    assume(answer.ended)
    jsonschema.Draft202012Validator(schema).validate(json.loads(answer.data.decode()))


@pytest.mark.parametrize("name", FAMILIES)
@pytest.mark.parametrize("seed", range(3))
def test_every_family_writes_what_the_schema_says(
    engine: RemoteEngine, name: str, seed: int
) -> None:
    answer = engine.child.call(walk, checkpoint(name), of_schema(PERSON), seed)
    assert answer.ended
    written = json.loads(answer.data)
    jsonschema.validate(written, PERSON)
    assert list(written) == ["name", "age", "tags"]
    spaced = rb'\{"name": ".*", "age": \d+, "tags": \[("\w+"(, "\w+")?)?\]\}'
    assert re.fullmatch(spaced, answer.data)


@pytest.mark.parametrize(
    ("grammar", "matches"),
    [
        (Grammar("regex", r"(yes|no), [0-9]{2}%"), r"(yes|no), [0-9]{2}%"),
        (Grammar("regex", r"a/b\n\"[é🦊]{2}"), r'a/b\n"[é🦊]{2}'),
        (Grammar("regex", ""), r""),
        (
            Grammar("lark", 'start: "SELECT " COL ("," COL)?\nCOL: /[a-z]{1,4}/'),
            r"SELECT \w+(,\w+)?",
        ),
        (Grammar("lark", 'start: %json {"type": "boolean"}'), r"true|false"),
        (Grammar("json_schema", '{"type": "string", "maxLength": 5}'), r'".*"'),
    ],
)
def test_a_whole_answer_matches(
    engine: RemoteEngine, folder: Path, grammar: Grammar, matches: str
) -> None:
    for seed in range(5):
        answer = engine.child.call(walk, folder, grammar, seed)
        assert answer.ended
        assert re.fullmatch(matches, answer.data.decode()), answer


def test_a_json_object_is_an_object_with_anything_in_it(engine: RemoteEngine, folder: Path) -> None:
    answers = [engine.child.call(walk, folder, Grammar("json_object"), seed) for seed in range(8)]
    ended = [json.loads(answer.data) for answer in answers if answer.ended]
    assert len(ended) >= 4
    assert all(isinstance(answer, dict) for answer in ended)


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize(
    ("grammar", "matches"),
    [
        (of_schema({"type": "integer"}), r"-?\d{19}"),
        (of_schema({"type": "integer", "minimum": 0}), r"\d{19}"),
        (of_schema({"type": "number", "minimum": 0}), r"\d{1,19}(\.\d{1,9})?"),
        (of_schema({"type": "number"}), r"-?\d{1,19}(\.\d{1,9})?([eE][+-]?\d\d)?"),
        (of_schema({}), r"-?\d{1,19}(\.\d{1,9})?([eE][+-]?\d\d)?"),
        (of_schema({"type": "integer", "minimum": 10**15, "multipleOf": 7}), r"\d{16,19}"),
        (of_schema({"type": "string", "format": "time"}), r'"[^.]*(\.\d{1,9})?[^.]*"'),
    ],
)
def test_a_number_ends_whatever_the_model_likes(
    engine: RemoteEngine, folder: Path, grammar: Grammar, matches: str, seed: int
) -> None:
    answer = engine.child.call(walk, folder, grammar, seed, 200, b"0123456789")
    assert answer.ended
    assert re.fullmatch(matches, answer.data.decode())


@pytest.mark.parametrize("grammar", [Grammar("json_object"), of_schema({"type": "object"})])
def test_numbers_of_free_objects_end(engine: RemoteEngine, folder: Path, grammar: Grammar) -> None:
    for seed in range(6):
        answer = engine.child.call(walk, folder, grammar, seed, 300, b"0123456789}:")
        outside = re.sub(rb'"[^"]*"?', b"", answer.data)
        assert not re.search(rb"\d{20}|\.\d{10}|[eE][+-]?\d{3}", outside), answer


def test_regexes_may_have_as_many_digits_as_they_say(engine: RemoteEngine, folder: Path) -> None:
    regex = Grammar("regex", "[0-9]{30}")
    assert re.fullmatch(rb"\d{30}", engine.child.call(walk, folder, regex, 0).data)


def allowed_first(folder: Path, text: str, said: list[int]) -> list[int]:
    """In the child: the ids that a Lark grammar allows after `said`."""
    return _allowed(compiler(folder), Grammar("lark", text), said, vocabulary(folder))


def allowed_by(
    folder: Path, regex: str, said: list[int], ends: list[int], width: int | None = None
) -> list[int]:
    """In the child: the ids that a regex allows after `said`, for other ends or another width."""
    from mlx_gui.engines.text.grammar import GrammarCompiler

    width = width or vocabulary(folder)
    made = GrammarCompiler(tokenizer(folder), width, ends)
    return _allowed(made, Grammar("regex", regex), said, width)


def _allowed(made: Any, grammar: Grammar, said: list[int], width: int) -> list[int]:
    import mlx.core as mx

    mask = made.check_and_compile(grammar).start()
    for length in range(len(said) + 1):
        row = mask(mx.array([0, *said[:length]], mx.int32), mx.zeros((1, width)))
    return [id for id, logit in enumerate(row[0].tolist()) if logit == 0]


def added(folder: Path) -> dict[str, int]:
    """In the child."""
    return tokenizer(folder).get_added_vocab()


@pytest.mark.parametrize("name", FAMILIES)
def test_lark_names_every_added_token_by_its_id(engine: RemoteEngine, name: str) -> None:
    folder = checkpoint(name)
    markers = engine.child.call(added, folder)
    picked = [*markers.values()][:4] + [*markers.values()][-6:]
    for id in picked:
        grammar = f'start: <[{id}]> "{{" <[{id}]>'
        assert engine.child.call(allowed_first, folder, grammar, []) == [id]
        assert id not in engine.child.call(allowed_first, folder, grammar, [id])


def test_a_special_token_is_never_text(engine: RemoteEngine, folder: Path) -> None:
    markers = engine.child.call(added, folder)
    call = markers["<tool_call>"]
    for text in ('start: "<tool_call>"', r"start: /(.|\n)*/"):
        assert call not in engine.child.call(allowed_first, folder, text, [])
    named = engine.child.call(allowed_first, folder, 'start: <tool_call> "a"', [])
    assert named == [call]
    written = engine.child.call(walk, folder, of_schema({"const": "<tool_call>"}), 0)
    assert (written.data, written.ended) == (b'"<tool_call>"', True)
    several = f"start: <[{call}-{call + 1}]>"
    assert engine.child.call(allowed_first, folder, several, []) == [call, call + 1]


def test_a_complete_grammar_leaves_the_end_tokens(engine: RemoteEngine, folder: Path) -> None:
    letter = engine.child.call(id_of, folder, b"a")
    for said in ([letter], [letter, 512], [letter, 514, 512, 512]):
        allowed = engine.child.call(allowed_by, folder, "a", said, [512, 514])
        assert allowed == [512, 514]


def id_of(folder: Path, data: bytes) -> int:
    """In the child."""
    return next(id for id in range(vocabulary(folder)) if token_bytes(folder)(id) == data)


@pytest.mark.parametrize("more", [64, -64])
def test_logits_may_be_more_or_fewer_than_tokens(
    engine: RemoteEngine, folder: Path, more: int
) -> None:
    width = engine.child.call(vocabulary, folder) + more
    letter = engine.child.call(id_of, folder, b"a")
    assert engine.child.call(allowed_by, folder, "a", [], [0], width) == [letter]
    assert engine.child.call(allowed_by, folder, "a", [letter], [0], width) == [0]


HARMONY = "{{ tools }} <|channel|> <|message|>"
TOOL = Tool("add", "", {"type": "object", "properties": {"a": {"type": "integer"}}})
THINKS = "<|channel|>analysis<|message|>Hm {1}.<|end|><|start|>assistant"
CALLS = '<|channel|>commentary to=functions.add <|constrain|>json<|message|>{"a": 1}'
SAYS = "<|channel|>final<|message|>"
NUMBER = Grammar("json_schema", '{"type": "integer"}')


@cache
def harmony_tokenizer() -> Any:
    """In the child: a token for every byte, and for every marker of harmony."""
    from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers
    from transformers import PreTrainedTokenizerFast

    from mlx_gui.engines.text.mlx_lm import TokenizerWrapper

    vocabulary = {letter: id for id, letter in enumerate(pre_tokenizers.ByteLevel.alphabet())}
    made = Tokenizer(models.BPE(vocab=vocabulary, merges=[]))
    made.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
    made.decoder = decoders.ByteLevel()
    made.add_special_tokens([AddedToken(marker, normalized=False) for marker in MARKERS])
    return TokenizerWrapper(PreTrainedTokenizerFast(tokenizer_object=made, eos_token="<|return|>"))


def let_through(request: GenerateRequest, text: str) -> tuple[str, bool]:
    """In the child: how far a harmony model may write `text`, and whether it may end there."""
    import mlx.core as mx

    from mlx_gui.engines.text.answer_form import compiled_form
    from mlx_gui.engines.text.grammar import GrammarCompiler
    from mlx_gui.engines.text.thought import Thought, ThoughtMarkers
    from mlx_gui.engines.text.token_bytes import token_bytes_of

    tokens = harmony_tokenizer()
    ends, width = tokens.eos_token_ids, len(tokens.get_vocab())
    dialect = dialect_of(HARMONY, lambda token: token in MARKERS, None)
    start, end = (str(dialect.think_start), str(dialect.think_end))
    compiled = compiled_form(
        request,
        dialect,
        grammars=GrammarCompiler(tokens, width, ends),
        token_id=tokens.convert_tokens_to_ids,
    )
    assert compiled is not None
    markers = ThoughtMarkers(start, end, tuple(tokens.encode(start)), tuple(tokens.encode(end)))
    mask = compiled.start(Thought(markers, "before", token_bytes_of(tokens)))
    ids: list[int] = tokens.encode(text)
    for length in range(len(ids) + 1):
        row = mask(mx.array([0, *ids[:length]], mx.int32), mx.zeros((1, width)))[0]
        if length == len(ids) or row[ids[length]].item() != 0:
            return tokens.decode(ids[:length]), any(row[id].item() == 0 for id in ends)
    raise AssertionError


@pytest.mark.parametrize(
    ("form", "text", "through"),
    [
        (NUMBER, f"{SAYS}42", f"{SAYS}42"),
        (NUMBER, f"{THINKS}{SAYS}42", f"{THINKS}{SAYS}42"),
        (NUMBER, f"{SAYS}Hello", SAYS),
        (NUMBER, f"{THINKS}{SAYS}Hello", THINKS + SAYS),
        (NUMBER, "42", ""),
        (NUMBER, CALLS, "<|channel|>"),
        (NUMBER, f"{THINKS}{CALLS}", f"{THINKS}<|channel|>"),
        (NUMBER, f"{THINKS}{THINKS}", f"{THINKS}<|channel|>"),
        ("auto", f"{SAYS}42", f"{SAYS}42"),
        ("auto", f"{THINKS}{SAYS}42", f"{THINKS}{SAYS}42"),
        ("auto", CALLS, CALLS),
        ("auto", f"{THINKS}{CALLS}", f"{THINKS}{CALLS}"),
        ("auto", "<|channel|>commentary<|message|>", "<|channel|>commentary"),
        ("required", CALLS, CALLS),
        ("required", f"{THINKS}{CALLS}", f"{THINKS}{CALLS}"),
        ("required", f"{SAYS}42", "<|channel|>"),
        ("named", f"{THINKS}{CALLS}", f"{THINKS}{CALLS}"),
        ("named", f"{THINKS}{SAYS}", f"{THINKS}<|channel|>"),
    ],
)
def test_harmony_is_held_to_its_channels(
    engine: RemoteEngine, form: Any, text: str, through: str
) -> None:
    held = GenerateRequest(grammar=NUMBER)
    if isinstance(form, str):
        choice = ToolChoice(form, "add" if form == "named" else None)  # type: ignore[arg-type]
        held = GenerateRequest(grammar=NUMBER, tools=(TOOL,), tool_choice=choice)
    ends = through == text
    assert engine.child.call(let_through, held, text) == (through, ends)


def test_a_text_that_is_continued_is_on_its_channel_already(engine: RemoteEngine) -> None:
    for request in (
        GenerateRequest(grammar=NUMBER, prompt="4"),
        GenerateRequest(grammar=NUMBER, continue_final=True, tools=(TOOL,)),
    ):
        assert engine.child.call(let_through, request, "42") == ("42", True)


WARM = Sampling(temperature=1.0, top_p=1.0, seed=3)


def test_grammars_run_in_one_batch_with_free_answers(engine: RemoteEngine, folder: Path) -> None:
    asks = [
        Ask(grammar=of_schema(PERSON), sampling=WARM, max_tokens=120),
        Ask(),
        Ask(grammar=of_schema(PERSON), sampling=WARM, index=1, max_tokens=120),
        Ask(prompt="a b c", grammar=Grammar("regex", "(yes|no)!{3}")),
        Ask(prompt="a b c", sampling=WARM),
        Ask(grammar=Grammar("lark", 'start: "x"{4}'), sampling=Sampling(logit_bias={3: 100.0})),
    ]
    together = engine.child.call(generate, folder, asks)
    assert together == [engine.child.call(generate, folder, [ask])[0] for ask in asks]
    first, _, second, answer, _, crosses = together
    assert [said.finish for said in (first, second, answer, crosses)] == ["stop"] * 4
    jsonschema.validate(json.loads(first.text), PERSON)
    jsonschema.validate(json.loads(second.text), PERSON)
    assert first.text != second.text
    assert re.fullmatch("(yes|no)!{3}", answer.text)
    assert crosses.text == "xxxx"


def test_a_grammar_that_cannot_be_followed_fails_its_own_answer_only(
    engine: RemoteEngine, folder: Path
) -> None:
    # What comes after the letters is too much, which nobody sees before.
    costly = Grammar("lark", 'start: "x"{90} wide\nwide: %json ' + json.dumps(WIDE))
    asks = [
        Ask(max_tokens=60),
        Ask(grammar=costly, max_tokens=120),
        Ask(grammar=of_schema(PERSON), sampling=WARM, max_tokens=120),
    ]
    free, failed, schema = engine.child.call(generate, folder, asks)
    assert "cannot follow the Lark grammar any further" in (failed.error or "")
    assert free == engine.child.call(generate, folder, asks[:1])[0]
    assert schema == engine.child.call(generate, folder, asks[2:])[0]
    assert schema.error is None


@pytest.fixture(scope="module")
def thinker() -> Path:
    return checkpoint("Qwen3-tiny-trained")


def asked(folder: Path, thinking: bool) -> str:
    """In the child."""
    return tokenizer(folder).apply_chat_template(
        [{"role": "user", "content": "Reply with JSON."}],
        add_generation_prompt=True,
        tokenize=False,
        enable_thinking=thinking,
    )


ANSWER = of_schema(
    {
        "type": "object",
        "properties": {"answer": {"type": "integer", "minimum": 0, "maximum": 999}},
        "required": ["answer"],
        "additionalProperties": False,
    }
)


def test_the_grammar_begins_after_the_thought(engine: RemoteEngine, thinker: Path) -> None:
    prompt = engine.child.call(asked, thinker, True)
    opened = prompt + "<think>"
    thinks, opened_thinks, short = engine.child.call(
        generate,
        thinker,
        [
            Ask(prompt=prompt, stage="before", grammar=ANSWER, max_tokens=80),
            Ask(prompt=opened, stage="thinking", grammar=ANSWER, max_tokens=80),
            Ask(prompt=opened, stage="thinking", grammar=ANSWER, max_tokens=80, budget_tokens=2),
        ],
    )
    for said in (thinks, opened_thinks, short):
        assert (said.finish, said.error) == ("stop", None)
        assert set(json.loads(said.text.split("</think>")[1])) == {"answer"}
    assert thinks.text == "<think>" + opened_thinks.text


def test_a_model_that_does_not_think_follows_the_grammar_at_once(
    engine: RemoteEngine, thinker: Path
) -> None:
    prompt = engine.child.call(asked, thinker, False)
    for stage in ("before", "answering", None):
        ask = Ask(prompt=prompt, stage=stage, grammar=ANSWER)
        (said,) = engine.child.call(generate, thinker, [ask])
        assert json.loads(said.text) == {"answer": 42}


def test_a_thought_cannot_end_an_answer_that_has_to_match(
    engine: RemoteEngine, thinker: Path
) -> None:
    prompt = engine.child.call(asked, thinker, True) + "<think>"
    end = engine.child.call(end_token, thinker)
    ends = Sampling(temperature=0, top_p=1, logit_bias={end: 100.0})
    free, held = engine.child.call(
        generate,
        thinker,
        [
            Ask(prompt=prompt, stage="thinking", sampling=ends),
            Ask(prompt=prompt, stage="thinking", sampling=ends, grammar=ANSWER, budget_tokens=5),
        ],
    )
    assert (free.text, free.finish) == ("", "stop")
    assert set(json.loads(held.text.split("</think>")[1])) == {"answer"}


def end_token(folder: Path) -> int:
    """In the child."""
    return next(iter(tokenizer(folder).eos_token_ids))


def behind_thought(folder: Path, breaks: list[bytes], written: bytes) -> list[bytes]:
    """In the child: of a brace and the line breaks, what is allowed once `written` followed."""
    import mlx.core as mx

    from mlx_gui.engines.text.thought import Thought, ThoughtMarkers

    end = tokenizer(folder).encode("</think>", add_special_tokens=False)
    lines = [id_of(folder, data) for data in breaks]
    markers = ThoughtMarkers("<think>", "</think>", (), tuple(end), tuple(lines))
    thought = Thought(markers, "thinking", token_bytes(folder))
    mask = compiler(folder).check_and_compile(ANSWER).start(thought)
    ids = [*end, *(id_of(folder, bytes([byte])) for byte in written)]
    for length in range(len(ids) + 1):
        row = mask(mx.array([0, *ids[:length]], mx.int32), mx.zeros((1, vocabulary(folder))))
    return [data for data in (b"{", *breaks) if row[0, id_of(folder, data)].item() == 0]


@pytest.mark.parametrize(
    ("written", "allowed"),
    [
        (b"", [b"{", b"\n", b"\n\n"]),
        (b"\n", [b"{", b"\n", b"\n\n"]),
        (b"\n\n", [b"{"]),
        (b"{", []),
        (b"\n{", []),
        (b"\n\n{", []),
    ],
)
def test_line_breaks_may_stand_between_a_thought_and_the_answer(
    engine: RemoteEngine, thinker: Path, written: bytes, allowed: list[bytes]
) -> None:
    breaks = [b"\n", b"\n\n"]
    assert engine.child.call(behind_thought, thinker, breaks, written) == allowed


@pytest.mark.parametrize("start", ["<think>", "<|channel>thought"])
def test_only_the_answer_or_a_thought_may_begin(
    engine: RemoteEngine, folder: Path, start: str
) -> None:
    marker, brace = engine.child.call(openings, folder, start)
    assert brace == [True, *[False] * (len(marker) - 1)]
    assert marker == [True] * len(marker)


def openings(folder: Path, start: str) -> tuple[list[bool], list[bool]]:
    """In the child: along a start marker, whether its next token and a brace are allowed."""
    import mlx.core as mx

    from mlx_gui.engines.text.thought import Thought, ThoughtMarkers

    ids = tokenizer(folder).encode(start, add_special_tokens=False)
    thought = Thought(ThoughtMarkers(start, "</t>", tuple(ids), ()), "before", token_bytes(folder))
    mask = compiler(folder).check_and_compile(ANSWER).start(thought)
    brace = id_of(folder, b"{")
    marker_allowed: list[bool] = []
    brace_allowed: list[bool] = []
    for place, id in enumerate(ids):
        row = mask(mx.array([0, *ids[:place]], mx.int32), mx.zeros((1, vocabulary(folder))))
        marker_allowed.append(row[0, id].item() == 0)
        brace_allowed.append(row[0, brace].item() == 0)
    return marker_allowed, brace_allowed
