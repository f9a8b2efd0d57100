"""Request bodies: strict JSON in, readable sentences about what is wrong with it out."""

import json
from collections.abc import Callable, Coroutine, Iterable, Mapping, Sequence
from functools import partial
from itertools import count
from typing import Any, ClassVar, Literal, cast

import msgspec
from fastapi import Request, Response
from fastapi.routing import APIRoute
from starlette.requests import ClientDisconnect

from mlx_gui.api.bodies import aside_of, check_shape, decode, is_large, note_large
from mlx_gui.api.intake import JSON, UNREAD, Intake
from mlx_gui.api.surrogates import Half, first_half, without_halves
from mlx_gui.core.errors import Cancelled, InvalidRequest

_Make = Callable[[Any], tuple[Any, list[dict[str, Any]]]]
"""What validates a body: the value that the route takes, and pydantic's problems with it."""

Halves = Literal["refused", "replaced"]
"""What becomes of half a surrogate pair."""

MAX_DEPTH = 128
EXPLAINED = "explained"
"""The type of a problem whose message says all; the refused value is not added to it."""
_SMALLEST, _LARGEST = -(2**63), 2**64 - 1
_HINT = "/docs describes the fields of this request."
_JSON_HINT = "Send one UTF-8 JSON object; NaN and Infinity are not JSON."
_HALF_HINT = (
    "Cut texts between characters, UTF-8 has no halves of them. "
    "JavaScript: send text.toWellFormed()."
)
_LONGEST_SHOWN_VALUE = 40
_LONGEST_PATH = 200
_PREDICATES = {
    "missing": "is required",
    "model_type": "should be an object",
    "model_attributes_type": "should be an object",
}
_SUBJECTS = ("Input should ", "List should ", "String should ")


class StrictJsonRoute(APIRoute):
    """A route whose body must be JSON to the letter: no NaN, no broken UTF-8, no bottomless pit.

    A large one is parsed and validated aside.
    """

    halves: ClassVar[Halves] = "refused"

    @property
    def intake(self) -> Intake:
        """What it takes of bodies."""
        return UNREAD if self.body_field is None else JSON

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        handle = super().get_route_handler()
        field = self.body_field
        make = None if field is None else partial(field.validate, loc=("body",))

        async def handle_strictly(request: Request) -> Response:
            strict = _StrictJsonRequest(request.scope, request.receive)
            if make is not None:
                await strict.read(make, halves=self.halves)
            return await handle(strict)

        return handle_strictly


def parse_json(body: bytes, *, halves: Halves = "refused") -> Any:
    """The value of `body`. Raises InvalidRequest with the reason.

    What it returns can be encoded again, as JSON and for a worker: no number is beyond 64 bits,
    no text holds half a surrogate pair, nothing is deeper than `MAX_DEPTH`. Of a key that comes
    twice the last one counts, as in Python and JavaScript.
    """
    try:
        return _value(body, halves)
    except _NotJson as error:
        raise InvalidRequest(
            f"The body is not valid JSON: {error}.", hint=error.hint, param=error.param
        ) from None


def parse_json_text(text: str, *, param: str) -> Any:
    """The value of JSON that stands as text in a field. Raises InvalidRequest."""
    try:
        return _value(text.encode(), "refused")
    except _NotJson as error:
        raise InvalidRequest(
            f"`{param}` is not valid JSON: {error}.",
            hint="Send the JSON of one value, as a string.",
            param=param,
        ) from None


def invalid_request(problems: Sequence[Mapping[str, Any]]) -> InvalidRequest:
    """The first of pydantic's `problems` as an error that names the field and the value."""
    problem = problems[0]
    param = _param(problem["loc"])
    subject = f"`{param}`" if param else "The body"
    return InvalidRequest(f"{subject} {_predicate(problem)}.", hint=_HINT, param=param or None)


class _NotJson(Exception):
    """Why something is not JSON, what to do, and which field is to blame where that is known."""

    def __init__(self, reason: str, *, hint: str = _JSON_HINT, param: str | None = None) -> None:
        super().__init__(reason)
        self.hint = hint
        self.param = param


def _value(body: bytes, halves: Halves) -> Any:
    try:
        value = _decoded(body)
    except _NotJson:
        whole = without_halves(body)
        if whole == body:
            raise
        value = _decoded(whole)
        _check_values(value)
        if halves == "refused":
            raise _cut(first_half(body)) from None
        return value
    _check_values(value)
    return value


def _decoded(body: bytes) -> Any:
    try:
        return decode(body)
    except RecursionError:
        raise _too_deep() from None
    except UnicodeDecodeError as error:
        raise _NotJson(f"byte {_first_broken(body, error.start)} is not UTF-8") from None
    except msgspec.MsgspecError as error:
        raise _NotJson(str(error)) from None


def _first_broken(body: bytes, start: int) -> int:
    """Where `body` is not UTF-8: msgspec counts from the beginning of the string it is in."""
    try:
        body.decode()
    except UnicodeDecodeError as error:
        return error.start
    return start


def _cut(half: Half) -> _NotJson:
    path = _param(("body", *half.path))
    param = path if 0 < len(path) <= _LONGEST_PATH else None
    place = "it" if param is None else f"`{param}`"
    if half.in_key:
        place = f"a key of {place}"
    what = f"has half a surrogate pair, {half.escape} at byte {half.at_byte}"
    return _NotJson(f"{place} {what}", hint=_HALF_HINT, param=param)


def _too_deep() -> _NotJson:
    return _NotJson(f"it is nested too deeply, {MAX_DEPTH} levels are the most")


def _check_values(value: object) -> None:
    level = [value]
    for depth in count():
        if not level:
            return
        for each in level:
            if type(each) is int and not _SMALLEST <= each <= _LARGEST:
                raise _NotJson("a whole number in it is beyond 64 bits")
            if depth == MAX_DEPTH and isinstance(each, dict | list):
                raise _too_deep()
        level = [inner for outer in level for inner in _inside(outer)]


def _inside(value: object) -> Iterable[object]:
    if isinstance(value, dict):
        return cast(dict[str, object], value).values()
    return cast(list[object], value) if isinstance(value, list) else ()


class _StrictJsonRequest(Request):
    _read: Any = None

    async def json(self) -> Any:
        """What FastAPI is to validate; it takes what was made already as it is."""
        return self._read

    async def read(self, make: _Make, *, halves: Halves) -> None:
        """Read the body, a large one aside. Raises InvalidRequest, or Cancelled if none comes."""
        try:
            body = await self.body()
        except ClientDisconnect:
            raise Cancelled("The client closed the connection before its request ended.") from None
        if is_large(body):
            note_large(self.scope)
            self._read = await aside_of(self).run(partial(_read_large, body, make, halves))
        elif body:
            self._read = parse_json(body, halves=halves)


def _read_large(body: bytes, make: _Make, halves: Halves) -> Any:
    check_shape(body)
    made, problems = make(parse_json(body, halves=halves))
    if problems:
        raise invalid_request(problems)
    return made


def _param(location: Sequence[str | int]) -> str:
    """`("body", "messages", 0, "content")` as `messages[0].content`."""
    path = ""
    for step in location[1:]:
        path += f"[{step}]" if isinstance(step, int) else f".{step}" if path else step
    return path


def _predicate(problem: Mapping[str, Any]) -> str:
    if known := _PREDICATES.get(problem["type"]):
        return known
    message = cast(str, problem["msg"])
    for subject in _SUBJECTS:
        if message.startswith(subject):
            wanted = message.removeprefix(subject).replace(" after validation, not ", ", not ")
            wanted = wanted.replace("a valid dictionary", "an object")
            if problem["type"].endswith("_parsing"):
                # The rest says that a text could not be read, which the value shows.
                wanted = wanted.partition(", ")[0]
            whole = problem["type"] in ("too_short", "too_long", EXPLAINED)
            return f"should {wanted}{'' if whole else _shown(problem.get('input'))}"
    return f"is not valid: {message}"


def _shown(value: Any) -> str:
    """The refused value where it is short; prompts and lists are not repeated."""
    if value is None or isinstance(value, bool | int | float | str):
        text = json.dumps(value, ensure_ascii=False)
        return f", not {text}" if len(text) <= _LONGEST_SHOWN_VALUE else ""
    return f", not {'a list' if isinstance(value, list) else 'an object'}"
