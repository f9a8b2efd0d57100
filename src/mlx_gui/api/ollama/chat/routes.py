"""`/api/chat`."""

from functools import partial
from typing import Annotated

from fastapi import APIRouter, Request, Response

from mlx_gui.api.auth import Principal, requires
from mlx_gui.api.bodies import translated
from mlx_gui.api.notices import RequestNotices
from mlx_gui.api.ollama.chat.translate import message_body, to_core
from mlx_gui.api.ollama.chat.wire import OllamaChatAnswer, OllamaChatRequest
from mlx_gui.api.ollama.errors import OllamaError
from mlx_gui.api.ollama.route import AnyTypeJsonRoute, object_or_lines
from mlx_gui.api.ollama.serving import answer
from mlx_gui.api.priority import RequestPriority
from mlx_gui.api.services import InjectedServices

router = APIRouter(
    route_class=AnyTypeJsonRoute,
    tags=["Ollama"],
    responses={"4XX": {"model": OllamaError}, "5XX": {"model": OllamaError}},
)


@router.post(
    "/api/chat",
    operation_id="ollama_chat",
    summary="Continue a conversation, as Ollama does",
    responses={200: object_or_lines(OllamaChatAnswer)},
)
async def chat(
    body: OllamaChatRequest,
    request: Request,
    services: InjectedServices,
    notices: RequestNotices,
    who: Annotated[Principal, requires("inference")],
    priority: RequestPriority = 0,
) -> Response:
    """The answer in lines of JSON or, with `stream` off, at once. Loads the model if need be."""
    core = await translated(
        request, partial(to_core, body, tenant=who.tenant, priority=priority, notices=notices)
    )
    return await answer(
        services,
        request,
        body,
        notices=notices,
        asked=core if body.messages else None,
        own_fields=message_body,
    )
