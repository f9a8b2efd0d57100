"""How routes say what their errors look like.

Given a model, FastAPI would build what checks an answer by it, anew for each route; nothing is
checked by that. So routes only refer to the model, and `api/openapi.py` describes it once.
"""

from typing import Any, Literal

from pydantic import BaseModel

REFERENCE = "#/components/schemas/{model}"


def errors_as(model: type[BaseModel], *ranges: Literal["4XX", "5XX"]) -> dict[int | str, Any]:
    """The `responses` of routes whose errors are `model`; it has a row in `openapi.ERRORS`."""
    reference = {"$ref": REFERENCE.format(model=model.__name__)}
    return {each: {"content": {"application/json": {"schema": reference}}} for each in ranges}
