"""How bodies under `/api` are read, and how their answers are described."""

from collections.abc import Callable, Coroutine
from typing import Any

from fastapi import Request, Response
from pydantic import BaseModel
from starlette.datastructures import MutableHeaders

from mlx_gui.api.intake import ANYTHING, Intake
from mlx_gui.api.validation import StrictJsonRoute

NDJSON = "application/x-ndjson"


class AnyTypeJsonRoute(StrictJsonRoute):
    """A route that reads its body as JSON whatever type it is declared to be.

    Ollama does so too, and `curl -d` declares a form. It is written in Go, whose JSON replaces
    halves of surrogate pairs.
    """

    halves = "replaced"

    @property
    def intake(self) -> Intake:
        """What it takes of bodies."""
        return ANYTHING

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        handle = super().get_route_handler()

        async def handle_as_json(request: Request) -> Response:
            MutableHeaders(scope=request.scope)["content-type"] = "application/json"
            return await handle(request)

        return handle_as_json


def object_or_lines(model: type[BaseModel]) -> dict[str, Any]:
    """The description of an answer that is a `model`, or lines of them."""
    schema = {"$ref": f"#/components/schemas/{model.__name__}"}
    return {"model": model, "content": {NDJSON: {"schema": schema}}}
