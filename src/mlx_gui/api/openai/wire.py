"""Fields that several of OpenAI's endpoints take."""

from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field
from pydantic_core import PydanticCustomError

MAX_STOPS = 16
FUNCTION_NAME = r"^[a-zA-Z0-9_-]{1,64}$"
_INT64 = 2**63


class Strict(BaseModel):
    """A number is no text, and 1 is not true. Fields that are not named are ignored."""

    model_config = ConfigDict(strict=True)


def between(lowest: float, highest: float) -> Any:
    """A number's bounds, both in one sentence, which pydantic's own `ge` and `le` do not give."""

    def check(value: float) -> float:
        if lowest <= value <= highest:
            return value
        raise PydanticCustomError(
            "out_of_range",
            "Input should be between {lowest} and {highest}",
            {"lowest": lowest, "highest": highest},
        )

    return AfterValidator(check)


def bounds(lowest: float, highest: float) -> Any:
    """The same bounds for the API's description."""
    return Field(json_schema_extra={"minimum": lowest, "maximum": highest})


def _as_stops(value: object) -> object:
    if isinstance(value, str):
        return [value]
    if value is None or isinstance(value, list):
        return value  # pyright: ignore[reportUnknownVariableType]
    raise PydanticCustomError("stop_type", "Input should be a string or a list of strings")


NonEmpty = Annotated[str, Field(min_length=1)]
StopList = Annotated[list[NonEmpty], Field(max_length=MAX_STOPS)]
Stops = Annotated[StopList, BeforeValidator(_as_stops, json_schema_input_type=NonEmpty | StopList)]
Penalty = Annotated[float, between(-2, 2), bounds(-2, 2)]
Share = Annotated[float, between(0, 1), bounds(0, 1)]
Effort = Literal["none", "minimal", "low", "medium", "high", "xhigh", "max"]


class SamplingFields(Strict):
    """How tokens are chosen; what is left out is the model's own choice.

    All but `temperature` and `top_p` are extensions where OpenAI's endpoint lacks them.
    """

    temperature: Annotated[float, between(0, 2), bounds(0, 2)] | None = None
    top_p: Share | None = None
    top_k: Annotated[int, between(0, 1_000_000), bounds(0, 1_000_000)] | None = None
    min_p: Share | None = None
    repetition_penalty: Annotated[float, between(0.1, 10), bounds(0.1, 10)] | None = None
    presence_penalty: Penalty | None = None
    frequency_penalty: Penalty | None = None
    logit_bias: dict[str, Annotated[float, between(-100, 100), bounds(-100, 100)]] | None = None
    seed: Annotated[int, Field(ge=-_INT64, lt=_INT64)] | None = None
    stop: Stops | None = None
