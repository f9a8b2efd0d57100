"""Random JSON schemas of the kinds that clients send; each is satisfiable."""

from typing import Any

from hypothesis import strategies as st

Schema = dict[str, Any]

_NAMES = st.sampled_from(["name", "age", "tags", "a b", "é", 'quo"te', "x/y", "$ref", "not", "_"])
_TEXTS = st.text(st.sampled_from('abc é"\\/\n🦊'), max_size=6)


@st.composite
def _bounds(draw: st.DrawFn, low: str, high: str, values: st.SearchStrategy[Any]) -> Schema:
    """None, one or both of two keywords, in order."""
    first, second = sorted([draw(values), draw(values)])
    given = draw(st.sets(st.sampled_from([low, high])))
    return {key: value for key, value in ((low, first), (high, second)) if key in given}


def _typed(kind: str, keywords: st.SearchStrategy[Schema]) -> st.SearchStrategy[Schema]:
    return keywords.map(lambda given: {"type": kind, **given})


_STRINGS = st.one_of(
    _typed("string", _bounds("minLength", "maxLength", st.integers(0, 8))),
    st.sampled_from(["^[a-z]{2,5}$", "^(yes|no)$", "[0-9]+", "^.{3}$"]).map(
        lambda pattern: {"type": "string", "pattern": pattern}
    ),
    st.sampled_from(["date", "time", "date-time", "uuid", "ipv4", "email"]).map(
        lambda format: {"type": "string", "format": format}
    ),
)
_NUMBERS = st.one_of(
    _typed("integer", _bounds("minimum", "maximum", st.integers(-2000, 2000))),
    _typed("integer", st.integers(-9, 9).map(lambda low: {"exclusiveMinimum": low})),
    _typed("integer", st.sampled_from([2, 3, 10]).map(lambda step: {"multipleOf": step})),
    _typed("number", _bounds("minimum", "maximum", st.integers(-20, 20))),
    _typed("number", st.integers(-9, 9).map(lambda high: {"exclusiveMaximum": high})),
)
_FIXED = st.one_of(
    st.lists(_TEXTS | st.integers(-5, 5) | st.none() | st.booleans(), min_size=1, max_size=4).map(
        lambda values: {"enum": values}
    ),
    _TEXTS.map(lambda value: {"const": value}),
    st.sampled_from(["boolean", "null"]).map(lambda kind: {"type": kind}),
    st.just({"type": ["string", "null"], "maxLength": 4}),
)


def _arrays(items: st.SearchStrategy[Schema]) -> st.SearchStrategy[Schema]:
    sizes = _bounds("minItems", "maxItems", st.integers(0, 3))
    lists = st.tuples(items, sizes).map(
        lambda given: {"type": "array", "maxItems": 4, "items": given[0], **given[1]}
    )
    tuples = st.lists(items, min_size=1, max_size=3).map(
        lambda members: {
            "type": "array",
            "prefixItems": members,
            "items": False,
            "minItems": len(members),
        }
    )
    return lists | tuples


@st.composite
def _objects(draw: st.DrawFn, values: st.SearchStrategy[Schema]) -> Schema:
    properties = draw(st.dictionaries(_NAMES, values, min_size=1, max_size=4))
    required = draw(st.lists(st.sampled_from(sorted(properties)), unique=True))
    schema: Schema = {"type": "object", "properties": properties, "required": required}
    extra = draw(st.none() | st.just(False) | values)
    return schema if extra is None else {**schema, "additionalProperties": extra}


def _nested(inner: st.SearchStrategy[Schema]) -> st.SearchStrategy[Schema]:
    return st.one_of(
        _arrays(inner),
        _objects(inner),
        st.lists(inner, min_size=1, max_size=3).map(lambda branches: {"anyOf": branches}),
        st.tuples(_objects(inner), _objects(inner)).map(
            lambda pair: {"anyOf": [pair[0], {"$ref": "#/$defs/shared"}]}
        ),
        st.just({"$ref": "#/$defs/shared"}),
        st.just({"$ref": "#/$defs/tree"}),
    )


_SCHEMAS = st.recursive(_STRINGS | _NUMBERS | _FIXED, _nested, max_leaves=6)
_TREE: Schema = {
    "type": "object",
    "properties": {
        "value": {"type": "integer", "minimum": 0, "maximum": 9},
        "left": {"anyOf": [{"$ref": "#/$defs/tree"}, {"type": "null"}]},
    },
    "required": ["value", "left"],
    "additionalProperties": False,
}


@st.composite
def schemas(draw: st.DrawFn) -> Schema:
    """A schema with whatever `$defs` it may refer to."""
    shared = draw(_STRINGS | _NUMBERS | _FIXED)
    return {"$defs": {"shared": shared, "tree": _TREE}, **draw(_SCHEMAS)}
