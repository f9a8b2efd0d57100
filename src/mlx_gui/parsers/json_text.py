"""JSON inside a model's text: where it ends, and the calls that it holds."""

import json
import re
from collections.abc import Mapping, Sequence
from typing import Any, TypeVar, cast

import msgspec

from mlx_gui.parsers.base import Call, CutString, NotACall

Value = TypeVar("Value")

NAME_KEYS = ("name", "tool_name", "function")
ARGUMENT_KEYS = ("arguments", "parameters")

_Object = dict[str, msgspec.Raw]

_STRUCTURE = re.compile(r'["{}\[\]]')
_STRING_END = re.compile(r'["\\]')


class JsonEnd:
    """Finds where an object or array ends, in text that comes bit by bit.

    It counts brackets outside of strings and leaves everything else to a real parser. So many
    objects and arrays as `depth` says are open already.
    """

    def __init__(self, *, depth: int = 0) -> None:
        self._depth = depth
        self._in_string = False
        self._escaped = False

    @property
    def in_string(self) -> bool:
        return self._in_string

    def feed(self, text: str) -> int | None:
        """How much of `text` belongs to the value, if its end is in it."""
        at = 0
        while at < len(text):
            if self._escaped:
                self._escaped = False
                at += 1
                continue
            found = (_STRING_END if self._in_string else _STRUCTURE).search(text, at)
            if found is None:
                return None
            at = found.end()
            match found.group():
                case "\\":
                    self._escaped = True
                case '"':
                    self._in_string = not self._in_string
                case "{" | "[":
                    self._depth += 1
                case _:
                    self._depth -= 1
                    if self._depth <= 0:
                        return at
        return None


def calls_of(text: str) -> list[Call]:
    """The call or the array of calls that `text` is. Raises NotACall."""
    text = text.strip()
    try:
        if text.startswith("["):
            return [_call(each) for each in msgspec.json.decode(_utf8(text), type=list[_Object])]
        return [_call(msgspec.json.decode(_utf8(text), type=_Object))]
    except (msgspec.DecodeError, RecursionError) as error:
        return _lenient_calls(text, error)


def call_of(name: object, arguments: object) -> Call:
    """A call whose parts a parser has already decoded. Raises NotACall."""
    if isinstance(arguments, str):
        return Call(_name(name), object_text(arguments))
    if not isinstance(arguments, Mapping):
        raise NotACall("the arguments are no object")
    try:
        text = json.dumps(arguments, ensure_ascii=False, allow_nan=False)
        # Half a surrogate pair, which an escape can spell, is no text that could be sent.
        text.encode()
    except (RecursionError, TypeError, ValueError) as error:
        raise NotACall(str(error)) from error
    return Call(_name(name), text)


def object_text(text: str) -> str:
    """`text` if it is a JSON object, as it stands. Raises NotACall."""
    text = text.strip() or "{}"
    try:
        msgspec.json.decode(_utf8(text), type=dict[str, msgspec.Raw])
    except (msgspec.DecodeError, RecursionError) as error:
        raise NotACall(str(error)) from error
    return text


def _call(written: _Object) -> Call:
    """Keeps the arguments as the model wrote them."""
    name = _first_of(NAME_KEYS, written)
    arguments = _first_of(ARGUMENT_KEYS, written)
    text = "{}" if arguments is None else bytes(arguments).decode()
    if text.startswith('"'):
        text = msgspec.json.decode(text, type=str)
    elif text == "null":
        text = "{}"
    return Call(_name(None if name is None else msgspec.json.decode(name)), object_text(text))


def _lenient_calls(text: str, strict: Exception) -> list[Call]:
    """Models put line breaks into strings as they are; the arguments are then encoded anew."""
    try:
        decoded: object = json.loads(text, strict=False)
    except json.JSONDecodeError as error:
        if error.msg.startswith("Unterminated string"):
            raise CutString(str(error)) from error
        raise NotACall(str(error)) from error
    except (RecursionError, ValueError) as error:
        raise NotACall(str(error)) from error
    found = cast(list[object], decoded) if isinstance(decoded, list) else [decoded]
    calls: list[Call] = []
    for each in found:
        if not isinstance(each, dict):
            raise NotACall(str(strict)) from strict
        written = cast(dict[str, Any], each)
        arguments = _first_of(ARGUMENT_KEYS, written)
        none: dict[str, Any] = {}
        calls.append(
            call_of(_first_of(NAME_KEYS, written), none if arguments is None else arguments)
        )
    return calls


def _first_of(keys: Sequence[str], written: Mapping[str, Value]) -> Value | None:
    return next((written[key] for key in keys if key in written), None)


def _name(name: object) -> str:
    if not isinstance(name, str) or not name:
        raise NotACall("no name")
    return name


def _utf8(text: str) -> bytes:
    return text.encode("utf-8", "surrogatepass")
