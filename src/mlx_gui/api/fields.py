"""What the JSON models of several families say about their fields."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated, Any, cast

from pydantic import BaseModel, ConfigDict, Field, GetCoreSchemaHandler, GetJsonSchemaHandler
from pydantic_core import CoreSchema, PydanticCustomError, core_schema

MAX_MEMBERS = 4096
"""Of a list in a request: its turns, or the parts, calls or pictures of one."""
MAX_TOOLS = 1024
"""Of a request, those of all namespaces together. OpenAI's chat has its own, smaller bound."""
MAX_STOPS = 16
"""Of OpenAI and Anthropic; Ollama takes more."""
MAX_TOP_LOGPROBS = 20


class Strict(BaseModel):
    """A part of a request: nothing is converted, so 1 is not true and "1" is not 1."""

    model_config = ConfigDict(strict=True)


NonEmpty = Annotated[str, Field(min_length=1)]
StopList = Annotated[list[NonEmpty], Field(max_length=MAX_STOPS)]
Int64 = Annotated[int, Field(ge=-(2**63), lt=2**63)]


@dataclass(frozen=True, slots=True)
class Between:
    """An annotation that refuses a number out of bounds by a sentence with both of them."""

    lowest: float
    highest: float

    def __get_pydantic_core_schema__(
        self, source: Any, handler: GetCoreSchemaHandler
    ) -> CoreSchema:
        return core_schema.no_info_after_validator_function(self._check, handler(source))

    def __get_pydantic_json_schema__(
        self, schema: CoreSchema, handler: GetJsonSchemaHandler
    ) -> dict[str, Any]:
        return {**handler(schema), "minimum": self.lowest, "maximum": self.highest}

    def _check(self, value: float) -> float:
        if self.lowest <= value <= self.highest:
            return value
        raise PydanticCustomError(
            "out_of_range",
            "Input should be between {lowest} and {highest}",
            {"lowest": self.lowest, "highest": self.highest},
        )


@dataclass(frozen=True, slots=True)
class AtMost:
    """An annotation that bounds a list before its members are looked at.

    The first member that is wrong ends the look: of a list of thousands nobody reads all.
    """

    count: int

    def __get_pydantic_core_schema__(
        self, source: Any, handler: GetCoreSchemaHandler
    ) -> CoreSchema:
        members = handler(source)
        if members["type"] == "list":
            members["fail_fast"] = True
        return core_schema.no_info_before_validator_function(self._check, members)

    def __get_pydantic_json_schema__(
        self, schema: CoreSchema, handler: GetJsonSchemaHandler
    ) -> dict[str, Any]:
        return {**handler(schema), "maxItems": self.count}

    def _check(self, value: object) -> object:
        if isinstance(value, list) and len(cast(list[object], value)) > self.count:
            raise PydanticCustomError(
                "too_long",
                "List should have at most {most} items, not {count}",
                {"most": self.count, "count": len(cast(list[object], value))},
            )
        return cast(object, value)


def type_in(value: object) -> str | None:
    """The `type` of an object that has one."""
    type_ = cast(dict[str, Any], value).get("type") if isinstance(value, dict) else None
    return type_ if isinstance(type_, str) else None


def text_or_list(as_item: Callable[[str], object], *, of: str) -> Callable[[object], object]:
    """A validator that makes a list of a lone string; `of` names the list's items in a refusal."""

    def check(value: object) -> object:
        if isinstance(value, str):
            return [as_item(value)]
        if value is None or isinstance(value, list):
            return value  # pyright: ignore[reportUnknownVariableType]
        raise PydanticCustomError(
            "text_or_list", "Input should be a string or a list of {of}", {"of": of}
        )

    return check
