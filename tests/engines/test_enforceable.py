"""What of a JSON schema is enforced, judged by llguidance itself."""

import json
from functools import cache
from typing import Any

import pytest
from llguidance import LLMatcher, LLTokenizer
from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers

from mlx_gui.engines.text.enforceable import Enforceable, enforceable, prepared

END = "<|end|>"
TEXT = {"type": "string"}
EXACT = {"whitespace_flexible": False, "item_separator": ", ", "key_separator": ": "}


@cache
def tokenizer() -> Tokenizer:
    """A token for every byte."""
    vocabulary = {letter: id for id, letter in enumerate(pre_tokenizers.ByteLevel.alphabet())}
    made = Tokenizer(models.BPE(vocab=vocabulary, merges=[]))
    made.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
    made.decoder = decoders.ByteLevel()
    made.add_special_tokens([AddedToken(END, normalized=False)])
    return made


@cache
def guide() -> LLTokenizer:
    made = tokenizer()
    return LLTokenizer(
        made.to_str(), n_vocab=made.get_vocab_size(), eos_token=made.token_to_id(END)
    )


class Judge:
    """Says what llguidance has against a schema, and counts how often it was asked."""

    def __init__(self) -> None:
        self.asked = 0

    def matcher(self, schema: dict[str, Any]) -> LLMatcher:
        text = LLMatcher.grammar_from_json_schema(json.dumps(schema), overrides=EXACT)
        return LLMatcher(guide(), text, log_level=0)

    def error_of(self, schema: dict[str, Any]) -> str | None:
        self.asked += 1
        try:
            return self.matcher(schema).get_error() or None
        except ValueError as error:
            return str(error)


def held(schema: Any) -> Enforceable:
    return enforceable(json.loads(json.dumps(schema)), Judge().error_of)


def accepts(schema: dict[str, Any], value: object) -> bool:
    matcher = Judge().matcher(schema)
    text = value if isinstance(value, str) else json.dumps(value)
    ids = tokenizer().encode(text, add_special_tokens=False).ids
    return matcher.try_consume_tokens(ids) == len(ids) and matcher.is_accepting()


@pytest.mark.parametrize(
    ("schema", "left", "still", "not_any_more"),
    [
        (
            {"properties": {"tags": {"type": "array", "uniqueItems": True, "items": TEXT}}},
            ["#/properties/tags/uniqueItems"],
            {"tags": ["a", "a"]},
            {"tags": [1]},
        ),
        ({"type": "integer", "not": {}}, ["#/not"], 1, "x"),
        (
            {"type": "object", "propertyNames": {"pattern": "^a"}, "additionalProperties": TEXT},
            ["#/propertyNames"],
            {"b": "x"},
            {"b": 1},
        ),
        ({"type": "string", "pattern": "^(?=a)b"}, ["#/pattern"], "c", 1),
        ({"type": "string", "pattern": r"(a)\1", "maxLength": 1}, ["#/pattern"], "c", "cc"),
        ({"type": "string", "pattern": r"\bfoo\b"}, ["#/pattern"], "c", 1),
        ({"type": "string", "format": "password"}, ["#/format"], "c", 1),
        (
            {"anyOf": [{"type": "string", "format": "iri"}, {"type": "null"}]},
            ["#/anyOf/0/format"],
            "c",
            1,
        ),
        ({"oneOf": [{"type": "number"}, {"type": "integer"}]}, ["#/oneOf"], 1, "x"),
        (
            {"anyOf": [TEXT, {"const": 1}], "oneOf": [{"const": 1}, {"type": "integer"}]},
            ["#/oneOf"],
            1,
            2,
        ),
        (
            {"type": "object", "properties": {"a": TEXT}, "minProperties": 1},
            ["#/minProperties"],
            {},
            {"a": 1},
        ),
        (
            {
                "type": "object",
                "patternProperties": {"^a": TEXT, "(?!b)": TEXT},
                "additionalProperties": False,
            },
            ["#/patternProperties/(?!b)"],
            {"c": 1},
            {"a": 1},
        ),
        (
            {
                "type": "object",
                "patternProperties": {"^a": TEXT, "^ab": {}},
                "additionalProperties": False,
            },
            ["#/patternProperties"],
            {"ab": 1},
            [],
        ),
        ({"$ref": "#/$defs/a/b", "$defs": {"a": {"b": {"not": {}}}}}, ["#/$defs/a/b/not"], 1, "x"),
        (
            {"properties": {"a/b": {"items": {"unevaluatedItems": False}}}},
            ["#/properties/a~1b/items/unevaluatedItems"],
            {},
            [],
        ),
        ({"type": "integer", "minimum": 10**20}, ["#/minimum"], 1, "x"),
        ({"type": "integer", "multipleOf": 999_999_937}, ["#/multipleOf"], 1, "x"),
        ({"type": "number", "multipleOf": 1e-30}, ["#/multipleOf"], 0.5, "x"),
        ({"type": "string", "format": "email", "pattern": "^a$"}, ["#/format"], "a", "b"),
    ],
)
def test_what_cannot_be_enforced_is_left_away_at_its_place_only(
    schema: Any, left: list[str], still: object, not_any_more: object
) -> None:
    written = [json.dumps(value) for value in (still, not_any_more)]
    found = held(schema)
    assert (list(found.left), found.error) == (left, None)
    if "properties" in schema:
        found.schema.setdefault("type", "object")
    if left == ["#/$defs/a/b/not"]:
        assert accepts(found.schema, written[0])
        return
    assert [accepts(found.schema, text) for text in written] == [True, False]


@pytest.mark.parametrize(
    "schema",
    [
        {"uniqueItems": False},
        {"propertyNames": TEXT},
        {"unevaluatedProperties": {}},
        {"type": "integer", "format": "int64", "minimum": -(2**63), "maximum": 2**63 - 1},
        {"type": "number", "minimum": -1e308, "maximum": 1.7e308},
        {"type": "number", "exclusiveMinimum": 1e-300, "minimum": -5},
        {"type": "number", "multipleOf": 0.01, "minimum": 0},
        {"type": "integer", "multipleOf": 86_400},
        {"type": "integer", "minimum": 0, "exclusiveMinimum": True},
        {"type": "string", "minLength": 3.0},
        {"type": "object", "properties": {"a": {}}, "required": ["a"], "minProperties": 1},
        {
            "type": "object",
            "properties": {"a": {}},
            "additionalProperties": False,
            "maxProperties": 3,
        },
        {"$schema": "http://example.com/own#", "type": "integer"},
        {"$schema": "http://json-schema.org/draft-04/schema#", "type": "integer"},
        {"$dynamicAnchor": "a"},
        {"$defs": {"unused": {"uniqueItems": True}}, "type": "string"},
        {"properties": {"not": {}, "format": {"enum": ["uniqueItems"]}}},
        {"const": {"not": 1, "format": "frob"}},
        {"oneOf": [TEXT, {"type": "integer"}]},
    ],
)
def test_what_can_be_said_in_other_words_is_enforced_in_full(schema: Any) -> None:
    assert held(schema).left == ()
    assert held(schema).error is None
    strict = json.loads(json.dumps(schema))
    assert prepared(strict) == ()
    assert Judge().error_of(strict) is None


def test_bounds_beyond_all_digits_still_hold() -> None:
    near = held({"type": "number", "exclusiveMinimum": 1e-300, "minimum": -5}).schema
    assert [accepts(near, text) for text in ("0.000000001", "0.5", "0", "-1")] == [
        True,
        True,
        False,
        False,
    ]
    far = held({"type": "integer", "minimum": -(2**63), "maximum": 2**63 - 1}).schema
    assert [accepts(far, text) for text in ("0", "-9000000000000000000", "9" * 19)] == [
        True,
        True,
        False,
    ]


@pytest.mark.parametrize(
    ("format", "begin", "end"),
    [
        ("date-time", "2026-01-31T23:59:59", "Z"),
        ("date-time", "2026-01-31T23:59:59", "+02:00"),
        ("time", "23:59:59", "Z"),
    ],
)
@pytest.mark.parametrize("pattern", [None, "^2"])
def test_fractions_of_seconds_end(format: str, begin: str, end: str, pattern: str | None) -> None:
    more = {} if pattern is None else {"pattern": pattern}
    schema = held({"type": "string", "format": format, **more}).schema
    for digits, allowed in ((0, True), (1, True), (9, True), (10, False)):
        fraction = "." + "1" * digits if digits else ""
        assert accepts(schema, json.dumps(f"{begin}{fraction}{end}")) == allowed


def test_durations_end() -> None:
    schema = held({"type": "string", "format": "duration"}).schema
    for text, allowed in (
        ("P1Y2M3DT4H5M6S", True),
        ("P3W", True),
        (f"P{'1' * 9}D", True),
        (f"P{'1' * 10}D", False),
    ):
        assert accepts(schema, json.dumps(text)) == allowed


@pytest.mark.parametrize(
    ("schema", "said"),
    [
        ({"$ref": "#/$defs/none"}, "does not exist"),
        ({"$ref": "http://example.com/x.json"}, "Resource"),
        ({"type": "frob"}, "Invalid type"),
        ({"type": "string", "minLength": 3, "maxLength": 1}, "minLength (3)"),
        ({"allOf": [{"type": "string"}, {"type": "integer"}], "not": {}}, "incompatible types"),
        ({"enum": []}, "Unsatisfiable"),
        ({"properties": []}, "must be an object"),
        ({"oneOf": {}}, "must be an array"),
        ({"required": True}, "Expected array"),
        ({"minimum": "a"}, "Expected f64"),
        ({"format": 3}, "Expected string"),
        ({"multipleOf": 0}, "invalid multiple of"),
        ({"patternProperties": 3}, "Expected object"),
        ({"allOf": 3, "format": "time", "pattern": "a"}, "allOf"),
    ],
)
def test_what_nothing_matches_or_is_no_schema_stays_an_error(schema: Any, said: str) -> None:
    assert said in str(held(schema).error)


MANY: dict[str, Any] = {
    "keywords": {"uniqueItems": True, "contains": {}, "items": {"not": {}}},
    "patterns": {"type": "string", "pattern": "(?=#)"},
    "formats": {"type": "string", "format": "f#"},
    "branches": {"oneOf": [{"type": "number"}, {"type": "integer"}]},
    "counts": {"type": "object", "properties": {"a": {}}, "minProperties": 1},
}


@pytest.mark.parametrize("name", MANY)
def test_a_thousand_such_keywords_cost_a_bounded_number_of_questions(name: str) -> None:
    one = json.dumps(MANY[name])
    properties = {f"p{n}": json.loads(one.replace("#", str(n))) for n in range(1000)}
    judge = Judge()
    found = enforceable({"type": "object", "properties": properties}, judge.error_of)
    assert found.error is None
    assert len(found.left) >= 1000
    assert judge.asked < 150


def test_multiples_that_would_take_too_long_are_left_away() -> None:
    properties = {f"p{n}": {"type": "integer", "multipleOf": 9000 + n} for n in range(50)}
    found = held({"type": "object", "properties": properties})
    assert 0 < len(found.left) < 50
    assert prepared({"type": "integer", "multipleOf": 999_999_937}) == ("#/multipleOf",)


def test_of_a_schema_that_is_too_large_only_the_type_is_left() -> None:
    wide = {"type": "object", "properties": {f"p{n}": {} for n in range(3000)}}
    assert held(wide) == Enforceable({"type": "object"}, ("#",))
    deep: dict[str, Any] = TEXT
    for _ in range(200):
        deep = {"type": "array", "items": deep}
    assert held(deep) == Enforceable({"type": "array"}, ("#",))
