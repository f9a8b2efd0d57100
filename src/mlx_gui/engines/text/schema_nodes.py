"""The schemas inside of a JSON schema that an answer can be held to, with their places."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, cast
from urllib.parse import unquote

Schema = dict[str, Any]

_MAPS = ("properties", "patternProperties")
_LISTS = ("allOf", "anyOf", "oneOf", "prefixItems", "items")
_SINGLES = ("items", "additionalItems", "additionalProperties")
_DEFINITIONS = ("$defs", "definitions")


@dataclass(frozen=True, slots=True)
class Node:
    """A schema that is an object, and where it stands: a path from `#`."""

    place: str
    schema: Schema


def nodes_of(root: Schema) -> list[Node]:
    """Each schema that is reached from `root`, once. Those under `not` or `if` are not."""
    found: list[Node] = []
    seen: set[int] = set()
    waiting: list[tuple[str, object]] = [("#", root)]
    while waiting:
        place, schema = waiting.pop()
        if not isinstance(schema, dict) or id(cast(Schema, schema)) in seen:
            continue
        seen.add(id(cast(Schema, schema)))
        node = Node(place, cast(Schema, schema))
        found.append(node)
        waiting += reversed([*_inside(node), *_referred(root, node.schema.get("$ref"))])
    return found


def step(name: str | int) -> str:
    """One step of a path."""
    return str(name).replace("~", "~0").replace("/", "~1")


def _inside(node: Node) -> Iterator[tuple[str, object]]:
    for keyword in _MAPS:
        for name, schema in _map(node.schema.get(keyword)).items():
            yield f"{node.place}/{keyword}/{step(name)}", schema
    for keyword in _LISTS:
        value = node.schema.get(keyword)
        for index, schema in enumerate(cast(list[Any], value) if isinstance(value, list) else ()):
            yield f"{node.place}/{keyword}/{index}", schema
    for keyword in _SINGLES:
        yield f"{node.place}/{keyword}", node.schema.get(keyword)


def _referred(root: Schema, reference: object) -> Iterator[tuple[str, object]]:
    """What a `$ref` may lead to; all definitions for one that is no path."""
    if not isinstance(reference, str):
        return
    if not reference.startswith("#/"):
        for keyword in _DEFINITIONS:
            for name, schema in _map(root.get(keyword)).items():
                yield f"#/{keyword}/{step(name)}", schema
        return
    found: object = root
    for name in unquote(reference).split("/")[1:]:
        key = name.replace("~1", "/").replace("~0", "~")
        if isinstance(found, list):
            members = cast(list[object], found)
            found = members[int(key)] if _is_index(key, len(members)) else None
        else:
            found = _map(found).get(key)
    yield reference, found


def _is_index(key: str, length: int) -> bool:
    return key.isascii() and key.isdecimal() and len(key) < 9 and int(key) < length


def _map(value: object) -> Mapping[str, Any]:
    return cast(Mapping[str, Any], value) if isinstance(value, dict) else {}
