"""Whether a value is a JSON schema at all.

Only the shape of its keywords is looked at: it is for schemas that nothing compiles, like those of
tools that may be called. Which schemas can be enforced, the engine says.
"""

from collections.abc import Callable, Iterator, Mapping
from typing import Any, cast

from mlx_gui.api.schema_recursion import check_recursion
from mlx_gui.core.errors import InvalidRequest

_TYPES = ("array", "boolean", "integer", "null", "number", "object", "string")
_ONE = frozenset(
    (
        "additionalItems",
        "additionalProperties",
        "contains",
        "else",
        "if",
        "items",
        "not",
        "propertyNames",
        "then",
        "unevaluatedItems",
        "unevaluatedProperties",
    )
)
_LIST = frozenset(("allOf", "anyOf", "oneOf", "prefixItems"))
_MAP = frozenset(("$defs", "definitions", "dependentSchemas", "patternProperties", "properties"))


def check_schema(schema: object, *, param: str) -> None:
    """Raises InvalidRequest, naming the place, if `schema` is none, or has no value that ends.

    `param` is where it stands.
    """
    _check_shape(schema, param=param)
    check_recursion(schema, param=param)


def _check_shape(schema: object, *, param: str) -> None:
    if isinstance(schema, bool):
        return
    if not isinstance(schema, dict):
        raise _refused(param, "a JSON schema")
    for keyword, value in cast(dict[str, Any], schema).items():
        where = f"{param}.{keyword}"
        if keyword in _PLAIN:
            holds, wanted = _PLAIN[keyword]
            if not holds(value):
                raise _refused(where, wanted)
        for place, inner in _inner(keyword, value, where):
            _check_shape(inner, param=place)


def _inner(keyword: str, value: object, where: str) -> Iterator[tuple[str, object]]:
    """The schemas that stand at `keyword`, each with its place."""
    # Older drafts have a list of schemas at `items`.
    if keyword in _LIST or (keyword == "items" and isinstance(value, list)):
        if not isinstance(value, list) or not value:
            raise _refused(where, "a list of schemas")
        for index, inner in enumerate(cast(list[object], value)):
            yield f"{where}[{index}]", inner
    elif keyword in _MAP:
        if not isinstance(value, dict):
            raise _refused(where, "an object of schemas")
        for name, inner in cast(dict[str, object], value).items():
            yield f"{where}.{name}", inner
    elif keyword in _ONE:
        yield where, value


def _is_text(value: object) -> bool:
    return isinstance(value, str)


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _is_bound(value: object) -> bool:
    """A number, or the truth value that it was in older drafts."""
    return isinstance(value, int | float)


def _is_count(value: object) -> bool:
    """Whole also as 3.0, which many languages make of it."""
    whole = type(value) is int or (type(value) is float and value.is_integer())
    return whole and cast(float, value) >= 0


def _is_list(value: object) -> bool:
    return isinstance(value, list)


def _is_names(value: object) -> bool:
    return isinstance(value, list) and all(map(_is_text, cast(list[object], value)))


def _is_type(value: object) -> bool:
    types = cast(list[object], value) if isinstance(value, list) else [value]
    return bool(types) and all(each in _TYPES for each in types)


_PLAIN: Mapping[str, tuple[Callable[[object], bool], str]] = {
    "type": (_is_type, f"one of {', '.join(_TYPES)}, or a list of these"),
    "required": (_is_names, "a list of strings"),
    "enum": (_is_list, "a list"),
    **dict.fromkeys(("$ref", "format", "pattern"), (_is_text, "a string")),
    **dict.fromkeys(("maximum", "minimum", "multipleOf"), (_is_number, "a number")),
    **dict.fromkeys(("exclusiveMaximum", "exclusiveMinimum"), (_is_bound, "a number")),
    **dict.fromkeys(
        ("maxItems", "maxLength", "maxProperties", "minItems", "minLength", "minProperties"),
        (_is_count, "a whole number from 0"),
    ),
}


def _refused(where: str, wanted: str) -> InvalidRequest:
    return InvalidRequest(
        f"`{where}` should be {wanted}.",
        hint='A schema is an object like {"type": "object", "properties": {}}.',
        param=where,
    )
