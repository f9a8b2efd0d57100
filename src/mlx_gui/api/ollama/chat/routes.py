"""`/api/chat`."""

from functools import partial

from fastapi import APIRouter, Response

from mlx_gui.api.documented import errors_as
from mlx_gui.api.ollama.chat.translate import message_body, to_core
from mlx_gui.api.ollama.chat.wire import OllamaChatAnswer, OllamaChatRequest
from mlx_gui.api.ollama.errors import OllamaError
from mlx_gui.api.ollama.route import AnyTypeJsonRoute, object_or_lines
from mlx_gui.api.ollama.serving import answer
from mlx_gui.api.serving import InjectedServing

router = APIRouter(
    route_class=AnyTypeJsonRoute,
    tags=["Ollama"],
    responses=errors_as(OllamaError, "4XX", "5XX"),
)


@router.post(
    "/api/chat",
    operation_id="ollama_chat",
    summary="Continue a conversation, as Ollama does",
    responses={200: object_or_lines(OllamaChatAnswer)},
)
async def chat(body: OllamaChatRequest, serving: InjectedServing) -> Response:
    """The answer in lines of JSON or, with `stream` off, at once. Loads the model if need be."""
    model = await serving.model(body.model)
    shown = serving.shown(model)
    core = await serving.translated(partial(to_core, body, shown=shown))
    core = await serving.with_pictures(core, shown)
    asked = core if body.messages else None
    return await answer(serving, body, model, asked=asked, own_fields=message_body)
