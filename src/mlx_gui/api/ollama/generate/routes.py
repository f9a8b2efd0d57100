"""`/api/generate`."""

from functools import partial

from fastapi import APIRouter, Response

from mlx_gui.api.documented import errors_as
from mlx_gui.api.ollama.errors import OllamaError
from mlx_gui.api.ollama.generate.translate import response_body, to_core
from mlx_gui.api.ollama.generate.wire import OllamaGenerateAnswer, OllamaGenerateRequest
from mlx_gui.api.ollama.route import AnyTypeJsonRoute, object_or_lines
from mlx_gui.api.ollama.serving import answer
from mlx_gui.api.serving import InjectedServing

router = APIRouter(
    route_class=AnyTypeJsonRoute,
    tags=["Ollama"],
    responses=errors_as(OllamaError, "4XX", "5XX"),
)


@router.post(
    "/api/generate",
    operation_id="ollama_generate",
    summary="Answer or continue a prompt, as Ollama does",
    responses={200: object_or_lines(OllamaGenerateAnswer)},
)
async def generate(body: OllamaGenerateRequest, serving: InjectedServing) -> Response:
    """The answer in lines of JSON or, with `stream` off, at once. Loads the model if need be."""
    model = await serving.model(body.model)
    shown = serving.shown(model)
    core = await serving.translated(partial(to_core, body, shown=shown))
    core = await serving.with_pictures(core, shown)
    if body.suffix and body.system:
        serving.notices.leave_out(["system"])
    asked = core if body.prompt or body.suffix or body.images else None
    return await answer(serving, body, model, asked=asked, own_fields=response_body)
