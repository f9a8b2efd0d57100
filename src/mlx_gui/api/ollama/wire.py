"""The JSON that `/api/chat` and `/api/generate` share. Fields that are not named are ignored."""

import math
from collections.abc import Callable
from typing import Annotated, Any, Literal, cast

from pydantic import AfterValidator, BaseModel, BeforeValidator, Field
from pydantic_core import PydanticCustomError

from mlx_gui.api.fields import MAX_TOP_LOGPROBS, Between, Int64, NonEmpty, Strict
from mlx_gui.api.ollama.durations import LONGEST_S, parse_keep_alive

MAX_STOPS = 128
_LOWEST_REPEAT_PENALTY, _HIGHEST_REPEAT_PENALTY = 0.01, 100.0
_HIGHEST_PENALTY = 100.0
"""Beyond them nothing changes any more, but the arithmetic of the logits ends in infinities."""


def whole(value: object) -> object:
    """`8192.0` is an integer, as programs write it that know one kind of number."""
    return int(value) if isinstance(value, float) and value.is_integer() else value


def whole_numbers(values: object) -> object:
    """The same of a list."""
    if not isinstance(values, list):
        return values
    listed = cast(list[object], values)
    # Nearly always there is nothing to do, and lists may be long.
    return [whole(each) for each in listed] if float in set(map(type, listed)) else listed


def _bounded(lowest: float, highest: float) -> Callable[[float], float]:
    """Puts what is beyond a bound on it."""

    def bound(value: float) -> float:
        return min(max(value, lowest), highest)

    return bound


def _repeat_penalty(value: float) -> float:
    """Nothing can be divided by 0 and less: that is no penalty."""
    return min(max(value, _LOWEST_REPEAT_PENALTY), _HIGHEST_REPEAT_PENALTY) if value > 0 else 1.0


def _refused_unless(allowed: Callable[[Any], bool], wanted: str) -> Callable[[Any], Any]:
    def check(value: Any) -> Any:
        if allowed(value):
            return value
        raise PydanticCustomError("wrong_value", "Input should be {wanted}", {"wanted": wanted})

    return check


def _as_stops(value: object) -> object:
    """A list; what is empty in it ends nothing."""
    if isinstance(value, str):
        return [value] if value else []
    if isinstance(value, list):
        return [stop for stop in cast(list[object], value) if stop != ""]
    if value is None:
        return value
    raise PydanticCustomError("stop_type", "Input should be a string or a list of strings")


def _as_keep_alive(value: object) -> float | None:
    if value is None:
        return None
    try:
        return parse_keep_alive(value)
    except ValueError:
        raise PydanticCustomError(
            "keep_alive",
            "Input should be seconds or a duration like 5m, up to {longest} s, or -1 for ever",
            {"longest": LONGEST_S},
        ) from None


def _is_thinking(value: object) -> bool:
    return value is None or isinstance(value, bool) or value in ("low", "medium", "high")


def _is_format(value: object) -> bool:
    return value is None or value in ("", "json") or isinstance(value, dict)


Integer = Annotated[Int64, BeforeValidator(whole)]
"""Any one, for Ollama has no ranges. What makes no sense means here what it means there."""
Number = Annotated[float, Field(allow_inf_nan=False)]
Temperature = Annotated[Number, AfterValidator(_bounded(0, math.inf))]
Fraction = Annotated[Number, AfterValidator(_bounded(0, 1))]
Penalty = Annotated[Number, AfterValidator(_bounded(-_HIGHEST_PENALTY, _HIGHEST_PENALTY))]
Effort = Literal["low", "medium", "high"]
Think = Annotated[
    bool | Effort | None,
    BeforeValidator(
        _refused_unless(_is_thinking, "true, false, low, medium or high"),
        json_schema_input_type=bool | Effort | None,
    ),
]
Format = Annotated[
    Literal["", "json"] | dict[str, Any] | None,
    BeforeValidator(
        _refused_unless(_is_format, "json or a JSON schema"),
        json_schema_input_type=Literal["", "json"] | dict[str, Any] | None,
    ),
]
KeepAlive = Annotated[
    float | None, BeforeValidator(_as_keep_alive, json_schema_input_type=float | str | None)
]
StopList = Annotated[list[NonEmpty], Field(max_length=MAX_STOPS)]
Stops = Annotated[
    StopList | None, BeforeValidator(_as_stops, json_schema_input_type=NonEmpty | StopList | None)
]


class OllamaOptions(Strict):
    """How tokens are chosen, and how many. What is not named here is ignored.

    `num_predict` of 0 and less means: as many as the context has room for. `top_k` of 0 and less
    switches it off, a `temperature` below 0 is 0, a `repeat_penalty` of 0 and less is none, and
    `top_p` and `min_p` beyond 0 and 1 are those.
    `repeat_last_n` 0 switches all penalties off; any other number changes nothing.
    """

    temperature: Temperature | None = None
    top_k: Integer | None = None
    top_p: Fraction | None = None
    min_p: Fraction | None = None
    seed: Integer | None = None
    num_predict: Integer | None = None
    num_ctx: Integer | None = None
    stop: Stops = None
    repeat_penalty: Annotated[Number, AfterValidator(_repeat_penalty)] | None = None
    presence_penalty: Penalty | None = None
    frequency_penalty: Penalty | None = None
    repeat_last_n: Integer | None = None


class Question(Strict):
    """What both endpoints take. `stream` is on unless it is switched off.

    `keep_alive` is how long the model stays loaded after the answer: seconds, or a duration.
    Without `truncate` the oldest turns of too long a conversation are dropped. `shift` changes
    nothing: an answer ends where the context does.
    """

    model: NonEmpty
    stream: bool | None = None
    format: Format = None
    options: OllamaOptions | None = None
    think: Think = None
    keep_alive: KeepAlive = None
    logprobs: bool | None = None
    top_logprobs: Annotated[int, Between(0, MAX_TOP_LOGPROBS), BeforeValidator(whole)] | None = None
    truncate: bool | None = None
    shift: bool | None = None

    @property
    def streams(self) -> bool:
        return self.stream is not False


class OllamaToolFunction(BaseModel):
    """A call's function; `index` is its place among the calls of the answer."""

    index: int
    name: str
    arguments: dict[str, Any]


class OllamaToolCall(BaseModel):
    """A whole call: it comes in one piece."""

    id: str
    function: OllamaToolFunction


class OllamaTokenChance(BaseModel):
    """A token that could be chosen."""

    token: str
    logprob: float
    bytes: list[int]


class OllamaTokenLogprob(OllamaTokenChance):
    """The chosen token, and the likeliest ones if they were asked for."""

    top_logprobs: list[OllamaTokenChance] | None = None


DoneReason = Literal["stop", "length", "load", "unload"]


class Answer(BaseModel):
    """A piece of an answer, or with `done` the last one or the whole. Durations are nanoseconds.

    `load_duration` is the time until the model took the request: waiting, loading, reading it.
    `truncated_messages` is there when the oldest turns were dropped to make the prompt fit,
    `truncated_tokens` when the oldest of `context` were.
    """

    model: str
    created_at: str
    logprobs: list[OllamaTokenLogprob] | None = None
    done: bool
    done_reason: DoneReason | None = None
    total_duration: int | None = None
    load_duration: int | None = None
    prompt_eval_count: int | None = None
    prompt_eval_duration: int | None = None
    eval_count: int | None = None
    eval_duration: int | None = None
    truncated_messages: int | None = None
    truncated_tokens: int | None = None
