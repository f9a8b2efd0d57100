"""The part of a JSON schema that an answer can be held to, and the places of what is left away.

Some keywords are known to be more than llguidance can do. Others depend on what stands beside them:
it is asked about the whole schema, and what its answer complains of is left away, one sort after
the other, so that a schema costs a handful of questions whatever is in it.
"""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, cast

from mlx_gui.engines.text.schema_nodes import Node, Schema, nodes_of, step

ErrorOf = Callable[[Schema], str | None]
"""What llguidance says against a schema; None if it can enforce it."""

_UNKNOWN = (
    "$dynamicRef",
    "$recursiveRef",
    "contains",
    "dependencies",
    "dependentRequired",
    "dependentSchemas",
    "else",
    "if",
    "maxContains",
    "minContains",
    "not",
    "propertyNames",
    "then",
    "unevaluatedItems",
    "unevaluatedProperties",
    "uniqueItems",
)
_WITHOUT_MEANING = ("$dynamicAnchor", "$recursiveAnchor")
_KNOWN_DRAFTS = ("http://json-schema.org/", "https://json-schema.org/")
_FORMATS = frozenset(
    (
        "date",
        "date-time",
        "duration",
        "email",
        "hostname",
        "ipv4",
        "ipv6",
        "time",
        "unknown",
        "uri",
        "uuid",
    )
)
_COUNTS = ("maxItems", "maxLength", "maxProperties", "minItems", "minLength", "minProperties")
_EXAMINED = 128
"""So many patterns and branches are looked at one by one; a schema with more loses those behind."""
_MOST_STEPS = 90_000
"""Of `multipleOf`, all different ones together: so many take about a second to compile."""
_MOST_PLACES = 2000
_MOST_CHARACTERS = 300
"""Of the places that are told."""
_MOST_DECIMALS = 9
_HIGHEST = 9e18
_NEAREST = 1e17
"""No bound beyond it can be enforced that says how far from zero a number is at least."""
_MOST_PROPERTIES = 2000
_FAULTS = (
    "Anchor",
    "Expected",
    "Expecting",
    "Invalid type",
    "NoExtension",
    "Pointer",
    "Resource",
    "Unsatisfiable",
    "invalid multiple of",
)


@dataclass(frozen=True, slots=True)
class Enforceable:
    """What of a schema is enforced, and the places of the rest.

    `error` is llguidance's about a schema that no value can match, or that is none.
    """

    schema: Schema
    left: tuple[str, ...] = ()
    error: str | None = None


def prepared(schema: Schema) -> tuple[str, ...]:
    """Changes `schema` to what means the same and can be enforced; returns what still cannot.

    That are the places of `multipleOf` that would take too long to compile.
    """
    nodes = nodes_of(schema)
    for node in nodes:
        _simplify(node.schema)
    return tuple(_costly_multiples(nodes))


def enforceable(schema: Schema, error_of: ErrorOf) -> Enforceable:
    """The part of `schema` that can be enforced. Changes `schema` on the way."""
    left = _Left()
    nodes = nodes_of(schema)
    for node in nodes:
        _leave_unknown(node, left)
        _simplify(node.schema)
        _leave_distant_bounds(node, left)
    for place in _costly_multiples(nodes):
        left.add(place)
    if any(len(_map(node.schema, "properties")) > _MOST_PROPERTIES for node in nodes):
        return _outline(schema, left, error_of)
    untried = dict(_RELAXATIONS)
    while (error := error_of(schema)) is not None:
        said = next((words for words in untried if words in error), None)
        if said is not None:
            relax = untried.pop(said)
            relax(schema, left, error_of)
        elif is_fault(error):
            return Enforceable(schema, left.places(), error)
        else:
            return _outline(schema, left, error_of)
    return Enforceable(schema, left.places())


def is_fault(error: str) -> bool:
    """Whether the schema itself is wrong, and not only more than can be enforced."""
    return error.startswith(_FAULTS) or "must be a" in error


class _Left:
    """The places of what was left away, each once."""

    def __init__(self) -> None:
        self._places: dict[str, None] = {}

    def add(self, place: str) -> None:
        if len(self._places) < _MOST_PLACES:
            self._places[place[:_MOST_CHARACTERS]] = None

    def take(self, node: Node, keyword: str) -> None:
        """Leave `keyword` away."""
        del node.schema[keyword]
        self.add(f"{node.place}/{keyword}")

    def places(self) -> tuple[str, ...]:
        return tuple(self._places)


def _outline(schema: Schema, left: _Left, error_of: ErrorOf) -> Enforceable:
    """Nothing but the type, of a schema that is too large as a whole."""
    kind = schema.get("type")
    outline: Schema = {"type": kind} if isinstance(kind, str) else {}
    return Enforceable(outline, ("#", *left.places()), error_of(outline))


def _simplify(schema: Schema) -> None:
    """Drop what demands nothing, and say in other words what llguidance does not understand."""
    for keyword in _WITHOUT_MEANING:
        schema.pop(keyword, None)
    if not str(schema.get("$schema", _KNOWN_DRAFTS[0])).startswith(_KNOWN_DRAFTS):
        del schema["$schema"]
    for keyword in _UNKNOWN:
        if keyword in schema and _demands_nothing(keyword, schema[keyword]):
            del schema[keyword]
    for keyword in _COUNTS:
        if isinstance(value := schema.get(keyword), float) and value.is_integer():
            schema[keyword] = int(value)
    _count_properties(schema)
    for keyword, outwards in (("minimum", -1), ("maximum", 1)):
        _bring_near(schema, keyword, outwards)
        if "multipleOf" in schema and f"exclusive{keyword.capitalize()}" not in schema:
            # Else a model may go on for ever until its digits are a multiple.
            schema.setdefault(keyword, outwards * _HIGHEST)
    _bound_fraction(schema)


def _demands_nothing(keyword: str, value: object) -> bool:
    match keyword:
        case "uniqueItems":
            return value is False
        case "unevaluatedItems" | "unevaluatedProperties":
            return value is True or value == {}
        case "propertyNames":
            return value is True or value == {} or value == {"type": "string"}
        case _:
            return False


def _count_properties(schema: Schema) -> None:
    """Drop bounds on the number of properties that hold by themselves."""
    least, most = schema.get("minProperties"), schema.get("maxProperties")
    required = {name for name in _list(schema, "required") if isinstance(name, str)}
    if type(least) is int and 0 <= least <= len(required):
        del schema["minProperties"]
    closed = schema.get("additionalProperties") is False and "patternProperties" not in schema
    if type(most) is int and closed and most >= len(_map(schema, "properties")):
        del schema["maxProperties"]


def _bring_near(schema: Schema, keyword: str, outwards: int) -> None:
    """Bounds that no number with so few digits can break become such that can be compiled."""
    exclusive = f"exclusive{keyword.capitalize()}"
    for name in (keyword, exclusive):
        value = schema.get(name)
        if isinstance(value, bool) or not isinstance(value, int | float):
            continue
        if value * outwards > _HIGHEST:
            schema[name] = outwards * _HIGHEST
        elif 0 < abs(value) < 10**-_MOST_DECIMALS:
            del schema[name]
            # On this side of zero, the next number is a whole step away.
            bound = -outwards * 10**-_MOST_DECIMALS if value * outwards < 0 else 0
            other = schema.get(keyword, bound)
            schema[keyword] = min(bound, other) if outwards > 0 else max(bound, other)


def _bound_fraction(schema: Schema) -> None:
    """Seconds have nine digits behind the point at most, and durations as many before it."""
    match schema.get("format"):
        case "date-time" | "time":
            pattern = rf"^[^.]*(\.[0-9]{{1,{_MOST_DECIMALS}}}([^0-9].*)?)?$"
        case "duration":
            pattern = rf"^([^0-9]+[0-9]{{1,{_MOST_DECIMALS}}})*[^0-9]+$"
        case _:
            return
    if "pattern" not in schema:
        schema["pattern"] = pattern
    else:
        _demand_too(schema, {"pattern": pattern})


def _leave_unknown(node: Node, left: _Left) -> None:
    for keyword in _UNKNOWN:
        if keyword in node.schema and not _demands_nothing(keyword, node.schema[keyword]):
            left.take(node, keyword)
    name = node.schema.get("format")
    if isinstance(name, str) and name not in _FORMATS and _may_be(node.schema, "string"):
        left.take(node, "format")


def _leave_distant_bounds(node: Node, left: _Left) -> None:
    for keyword, inwards in (("inimum", 1), ("aximum", -1)):
        for name in (f"m{keyword}", f"exclusiveM{keyword}"):
            value = node.schema.get(name)
            if isinstance(value, int | float) and value * inwards > _NEAREST:
                left.take(node, name)


def _costly_multiples(nodes: list[Node]) -> list[str]:
    """Takes away those `multipleOf` that are too many or too fine, and returns their places."""
    places: list[str] = []
    counted: set[Decimal] = set()
    room = _MOST_STEPS
    for node in nodes:
        value = node.schema.get("multipleOf")
        if isinstance(value, bool) or not isinstance(value, int | float) or not value:
            continue
        steps, decimals = _steps(value)
        if decimals > _MOST_DECIMALS or (steps not in counted and steps > room):
            del node.schema["multipleOf"]
            places.append(f"{node.place}/multipleOf")
        elif steps not in counted:
            counted.add(steps)
            room -= int(steps)
    return places


def _steps(value: float) -> tuple[Decimal, int]:
    """`value` as a whole number of its smallest decimal, and how many decimals it has."""
    if not math.isfinite(value):
        return Decimal(0), _MOST_DECIMALS + 1
    exact = abs(Decimal(str(value))).normalize()
    decimals = max(0, -cast(int, exact.as_tuple().exponent))
    return exact.scaleb(decimals), decimals


def _leave_patterns(schema: Schema, left: _Left, error_of: ErrorOf) -> None:
    """Leave those regexes away that cannot be compiled."""
    judged: dict[str, bool] = {}

    def holds(pattern: str) -> bool:
        if pattern not in judged:
            known = len(judged) < _EXAMINED
            judged[pattern] = known and error_of({"type": "string", "pattern": pattern}) is None
        return judged[pattern]

    for node in nodes_of(schema):
        pattern = node.schema.get("pattern")
        if isinstance(pattern, str) and not holds(pattern):
            left.take(node, "pattern")
        by_name = _map(node.schema, "patternProperties")
        kept = {name: value for name, value in by_name.items() if holds(name)}
        if len(kept) < len(by_name):
            node.schema["patternProperties"] = kept
            # Whatever their names are, these properties are allowed.
            node.schema["additionalProperties"] = True
            for name in by_name.keys() - kept.keys():
                left.add(f"{node.place}/patternProperties/{step(name)}")


def _leave_pattern_properties(schema: Schema, left: _Left, error_of: ErrorOf) -> None:
    for node in nodes_of(schema):
        if len(_map(node.schema, "patternProperties")) > 1:
            left.take(node, "patternProperties")
            node.schema["additionalProperties"] = True


def _any_for_one(schema: Schema, left: _Left, error_of: ErrorOf) -> None:
    """Let any of several branches match where more than one may."""
    definitions = {key: schema[key] for key in ("$defs", "definitions") if key in schema}
    examined = 0
    for node in nodes_of(schema):
        branches = node.schema.get("oneOf")
        if branches is None:
            continue
        examined += 1
        alone = {**definitions, "oneOf": branches}
        if examined > _EXAMINED or error_of(alone) is not None:
            left.take(node, "oneOf")
            if "anyOf" not in node.schema:
                node.schema["anyOf"] = branches
            else:
                _demand_too(node.schema, {"anyOf": branches})


def _leave_counts(schema: Schema, left: _Left, error_of: ErrorOf) -> None:
    for node in nodes_of(schema):
        for keyword in ("minProperties", "maxProperties"):
            if keyword in node.schema:
                left.take(node, keyword)


def _leave_formats(schema: Schema, left: _Left, error_of: ErrorOf) -> None:
    """llguidance's idea of a format may be narrower than that of whoever wrote the pattern."""
    for node in nodes_of(schema):
        if "format" in node.schema and "pattern" in node.schema:
            left.take(node, "format")


def _leave_ranges(schema: Schema, left: _Left, error_of: ErrorOf) -> None:
    for node in nodes_of(schema):
        for keyword in ("minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum"):
            if keyword in node.schema:
                left.take(node, keyword)


def _demand_too(schema: Schema, part: Schema) -> None:
    if "allOf" not in schema or _list(schema, "allOf"):
        schema["allOf"] = [*_list(schema, "allOf"), part]


def _list(schema: Schema, keyword: str) -> list[Any]:
    value = schema.get(keyword)
    return cast(list[Any], value) if isinstance(value, list) else []


def _map(schema: Schema, keyword: str) -> Mapping[str, Any]:
    value = schema.get(keyword)
    return cast(Mapping[str, Any], value) if isinstance(value, dict) else {}


def _may_be(schema: Schema, kind: str) -> bool:
    kinds = schema.get("type", kind)
    return kind in (cast(list[Any], kinds) if isinstance(kinds, list) else [kinds])


_RELAXATIONS: Mapping[str, Callable[[Schema, _Left, ErrorOf], None]] = {
    "regex parse error": _leave_patterns,
    "lookarounds not supported": _leave_patterns,
    "not disjoint": _leave_pattern_properties,
    "oneOf constraints": _any_for_one,
    "min/maxProperties": _leave_counts,
    "Regex is empty": _leave_formats,
    "Failed to generate regex": _leave_ranges,
    "fuel exhausted": _leave_ranges,
}
"""What llguidance complains of, in its words, and what then goes."""
