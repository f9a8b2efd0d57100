"""What one single operation of a template may take, judged before by what it is given.

What is not known here to be quick may be given little. An operation in C is not interrupted by any
clock, so too much is better said of one than too little: a template that is called heavy runs as
well, in a process of its own.
"""

from collections.abc import Mapping
from typing import Any

from jinja2.utils import Namespace

_SMALL = 20_000
"""Characters or items that any operation gets through in milliseconds."""
_BRIEF = 1_000
"""The same of what may multiply the others, like a separator or a width."""
_PLAIN_NODES = 20_000
_MANY = 1_000_000
_QUICK_FILTERS = frozenset({
    "capitalize", "count", "d", "default", "escape", "e", "first", "float", "int", "items", "last",
    "length", "lower", "map", "reject", "rejectattr", "safe", "select", "selectattr", "trim",
    "upper",
})  # fmt: skip
"""They read a text at the speed of memory, or not at all; a list they only pass on."""
_SHALLOW_FILTERS = frozenset({"list", "reverse"})
_DEEP_FILTERS = frozenset({"string", "tojson"})
"""They go through all that is in a value."""
_QUICK_METHODS = frozenset({
    "count", "endswith", "find", "get", "index", "isalnum", "isalpha", "isdigit", "isspace",
    "items", "keys", "lower", "lstrip", "partition", "removeprefix", "removesuffix", "rfind",
    "rindex", "rpartition", "rstrip", "startswith", "strip", "upper", "values",
})  # fmt: skip
_HEAVY_FUNCTIONS = frozenset({"format", "format_map", "generate_lorem_ipsum"})
_CUTTING_METHODS = frozenset({"rsplit", "split", "splitlines"})
_READ_CHARACTERS = 50_000_000


class Heavy(Exception):
    """A template that may take long in one piece; no TemplateError, so that it reaches the top."""


def is_plain(value: Any, *, characters: int = _READ_CHARACTERS) -> bool:
    """Whether a text or number, or a structure of few of them, in all its depth.

    With so many `characters` at most in all its texts together.
    """
    left, waiting = _PLAIN_NODES, [value]
    while waiting:
        left -= 1
        match waiting.pop():
            case str() | bytes() as text:
                characters -= len(text)
            case dict() as pairs if len(pairs) <= left:
                waiting += [*pairs, *pairs.values()]
            case list() | tuple() as items if len(items) <= left:
                waiting += items
            case dict() | list() | tuple() | Namespace():
                return False
            case _:
                pass
        if left < 0 or characters < 0:
            return False
    return True


def filter_is_heavy(name: str, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> bool:
    """Whether the filter may take long with these arguments, the value in front."""
    if not args:
        return False
    value, others = args[0], (*args[1:], *kwargs.values())
    if name in _DEEP_FILTERS and not is_plain(value):
        return True
    if name in _QUICK_FILTERS or name in _DEEP_FILTERS:
        return not all(_is_small(each) for each in others)
    if name in _SHALLOW_FILTERS and isinstance(value, list | tuple):
        return len(value) > _MANY
    if name == "replace" and isinstance(value, str):
        return _replaces_much(value, others)
    return not _is_small(value) or not all(_is_small(each, most=_BRIEF) for each in others)


def test_is_heavy(args: tuple[Any, ...]) -> bool:
    """Whether a test that compares may take long with these arguments."""
    return not all(map(is_plain, args))


def method_is_heavy(method: Any, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> bool:
    """Whether a call of `method` may take long; functions of the template itself do not count."""
    owner, name = getattr(method, "__self__", None), getattr(method, "__name__", "")
    if name in _HEAVY_FUNCTIONS:
        return True
    if not isinstance(owner, str | bytes | list | tuple | dict | int | float):
        return False
    # Jinja adds arguments of its own.
    given = (*args, *(value for name, value in kwargs.items() if not name.startswith("_")))
    if name in _QUICK_METHODS:
        return not all(is_plain(each) for each in given)
    if name in _CUTTING_METHODS:
        return not isinstance(owner, str) or len(owner) > _MANY
    if name == "replace" and isinstance(owner, str):
        return _replaces_much(owner, given)
    return not all(map(_is_small, (owner, *given)))


def _replaces_much(text: str, given: tuple[Any, ...]) -> bool:
    if len(given) < 2 or not isinstance(given[0], str) or not isinstance(given[1], str):
        return not all(map(_is_small, (text, *given)))
    if len(given[1]) <= max(len(given[0]), 1):
        return False
    return text.count(given[0]) * len(given[1]) > _READ_CHARACTERS


def _is_small(value: Any, *, most: int = _SMALL) -> bool:
    match value:
        case str() | bytes():
            return len(value) <= most
        case int():
            return abs(value) <= most
        case list() | tuple() | dict() | Namespace():
            return is_plain(value, characters=_MANY)
        case _:
            return True
