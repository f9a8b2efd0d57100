"""`/v1/chat/completions`."""

from functools import partial
from typing import Annotated

from fastapi import APIRouter, Request, Response

from mlx_gui.api.answers import encoded, gather
from mlx_gui.api.auth import Principal, requires
from mlx_gui.api.bodies import translated
from mlx_gui.api.notices import RequestNotices
from mlx_gui.api.openai.chat.answer import ChunkEncoder, chat_completion, form_of
from mlx_gui.api.openai.chat.translate import to_core
from mlx_gui.api.openai.chat.wire import ChatCompletion, ChatCompletionRequest
from mlx_gui.api.openai.translate import error_frames, new_head
from mlx_gui.api.priority import RequestPriority
from mlx_gui.api.services import InjectedServices
from mlx_gui.api.sse import EventStreamResponse
from mlx_gui.api.validation import StrictJsonRoute
from mlx_gui.wire.errors import ErrorEnvelope

router = APIRouter(
    route_class=StrictJsonRoute,
    tags=["Chat"],
    responses={"4XX": {"model": ErrorEnvelope}, "5XX": {"model": ErrorEnvelope}},
)


@router.post(
    "/v1/chat/completions",
    operation_id="create_chat_completion",
    summary="Continue a conversation",
    responses={200: {"model": ChatCompletion}},
)
async def create_chat_completion(
    body: ChatCompletionRequest,
    request: Request,
    services: InjectedServices,
    notices: RequestNotices,
    who: Annotated[Principal, requires("inference")],
    priority: RequestPriority = 0,
) -> Response:
    """The answer at once or, with `stream`, as server-sent chunks. Loads the model if need be."""
    model = await services.library.find(body.model)
    head, form = new_head("chatcmpl", model.id), form_of(body)
    core = await translated(
        request,
        partial(to_core, body, notices=notices, tenant=who.tenant, priority=priority),
    )
    events = notices.watch(services.dispatch.events(model, core, request_id=head.id))
    if not body.stream:
        answer = chat_completion(head, form, await gather(events, request.receive))
        return Response(answer.model_dump_json(), media_type="application/json")
    return EventStreamResponse(
        encoded(events, ChunkEncoder(head, form).encode),
        error_frame=partial(error_frames, request_id=request.state.request_id),
        stall_s=services.config.client_stall_s,
        commit_s=services.config.stream_commit_s,
    )
