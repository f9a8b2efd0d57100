"""Whether the recursion of a JSON schema has a way out.

A tree is such a recursion: its list of children may be empty. A chain whose every link demands the
next one is none, and an answer that is held to it only ends where its tokens do.
"""

from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, cast
from urllib.parse import unquote

from mlx_gui.core.errors import InvalidRequest

_Schema = dict[str, Any]

_MAPS = ("properties", "patternProperties")
_LISTS = ("allOf", "anyOf", "oneOf", "prefixItems", "items")
_SINGLES = ("items", "additionalItems", "additionalProperties")
_NESTED = frozenset({"object", "array"})


def check_recursion(schema: object, *, param: str) -> None:
    """Raises InvalidRequest, naming the reference, if some value would have to be endless.

    What is no schema at all passes. `param` is where `schema` stands.
    """
    conditions = _Conditions(schema, param)
    conditions.of(schema, param)
    conditions.settle()
    for place, reference, condition in conditions.references:
        if condition.missing > 0:
            raise InvalidRequest(
                f"`{place}` refers to {reference[:80]!r}, of which no value ever ends.",
                hint="Give the recursion a way out: let the property that refers be optional, the "
                "array be empty, or anyOf offer another choice.",
                param=place,
            )


@dataclass(slots=True, eq=False)
class _Condition:
    """Holds once `missing` is 0: as many of those that it depends on hold as it needs."""

    missing: int = 0
    wanted_by: list["_Condition"] = field(default_factory=list["_Condition"])


class _Conditions:
    """For every schema that can be reached, whether a value of it can end: the least fixpoint.

    Only what makes an end impossible counts, so whatever is refused has no finite value.
    """

    def __init__(self, root: object, place: str) -> None:
        self.references: list[tuple[str, str, _Condition]] = []
        self._root = root
        self._place = place
        # By identity: many places may refer to one schema.
        self._by_schema: dict[int, _Condition] = {}
        self._all: list[_Condition] = []
        self._unread: deque[tuple[_Schema, str, _Condition]] = deque()

    def of(self, schema: object, place: str) -> _Condition:
        """That a value of `schema` can end."""
        if not isinstance(schema, dict):
            return self._made(0)
        known = self._by_schema.get(id(cast(_Schema, schema)))
        if known is None:
            known = self._by_schema[id(cast(_Schema, schema))] = self._made(0)
            self._unread.append((cast(_Schema, schema), place, known))
        return known

    def settle(self) -> None:
        """Find out which conditions hold."""
        while self._unread:
            schema, place, condition = self._unread.popleft()
            parts = self._parts(schema, place)
            condition.missing = len(parts)
            for part in parts:
                part.wanted_by.append(condition)
        holding = [condition for condition in self._all if not condition.missing]
        while holding:
            for wanting in holding.pop().wanted_by:
                wanting.missing -= 1
                if not wanting.missing:
                    holding.append(wanting)

    def _parts(self, schema: _Schema, place: str) -> list[_Condition]:
        """What must hold for `schema`, all of it; also looks at what is optional in it."""
        if "const" in schema or "enum" in schema:
            return []
        for inner_place, inner in _inside(schema, place):
            self.of(inner, inner_place)
        parts = [self.of(branch, place) for branch in _list(schema, "allOf")]
        for keyword in ("anyOf", "oneOf"):
            if branches := _list(schema, keyword):
                parts.append(self._any([self.of(branch, place) for branch in branches]))
        reference = schema.get("$ref")
        if isinstance(reference, str):
            target = _resolved(self._root, reference)
            # Not where it is referred to: the places of a long chain would grow with each link.
            referred = self.of(target, f"{self._place}{reference[1:].replace('/', '.')}")
            self.references.append((f"{place}.$ref", reference, referred))
            parts.append(referred)
        kinds = schema.get("type", "string")
        kinds = cast(list[object], kinds) if isinstance(kinds, list) else [kinds]
        if kinds and all(isinstance(kind, str) and kind in _NESTED for kind in kinds):
            needs = {"object": _needed_properties, "array": _needed_items}
            parts.append(
                self._any(
                    [
                        self._every([self.of(each, place) for each in needs[str(kind)](schema)])
                        for kind in kinds
                    ]
                )
            )
        return parts

    def _any(self, conditions: Sequence[_Condition]) -> _Condition:
        return self._made(1, conditions)

    def _every(self, conditions: Sequence[_Condition]) -> _Condition:
        return self._made(len(conditions), conditions)

    def _made(self, missing: int, parts: Sequence[_Condition] = ()) -> _Condition:
        made = _Condition(missing)
        for part in parts:
            part.wanted_by.append(made)
        self._all.append(made)
        return made


def _inside(schema: _Schema, place: str) -> Iterator[tuple[str, object]]:
    for keyword in _MAPS:
        for name, inner in _map(schema, keyword).items():
            yield f"{place}.{keyword}.{name}", inner
    for keyword in _LISTS:
        for index, inner in enumerate(_list(schema, keyword)):
            yield f"{place}.{keyword}[{index}]", inner
    for keyword in _SINGLES:
        yield f"{place}.{keyword}", schema.get(keyword)


def _needed_properties(schema: _Schema) -> list[object]:
    properties = _map(schema, "properties")
    others = schema.get("additionalProperties")
    return [
        properties.get(name, others) for name in _list(schema, "required") if isinstance(name, str)
    ]


def _needed_items(schema: _Schema) -> list[object]:
    count = schema.get("minItems")
    count = count if isinstance(count, int) else 0
    # Older drafts have the first items at `items`, and all others at `additionalItems`.
    older = isinstance(schema.get("items"), list)
    first = _list(schema, "items" if older else "prefixItems")
    others = [schema.get("additionalItems" if older else "items")]
    return [*first[:count], *(others if count > len(first) else ())]


def _resolved(root: object, reference: str) -> object:
    """The schema that a JSON pointer names; None for what is no pointer or leads nowhere."""
    start, *steps = unquote(reference).split("/")
    if start != "#":
        return None
    found = root
    for step in steps:
        key = step.replace("~1", "/").replace("~0", "~")
        if isinstance(found, dict):
            found = cast(_Schema, found).get(key)
        elif isinstance(found, list) and key.isdecimal():
            found = dict(enumerate(cast(list[object], found))).get(int(key[:9]))
        else:
            return None
    return found


def _map(schema: _Schema, keyword: str) -> _Schema:
    value = schema.get(keyword)
    return cast(_Schema, value) if isinstance(value, dict) else {}


def _list(schema: _Schema, keyword: str) -> list[object]:
    value = schema.get(keyword)
    return cast(list[object], value) if isinstance(value, list) else []
