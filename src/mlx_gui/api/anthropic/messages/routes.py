"""`/v1/messages` and the counting of its tokens."""

from functools import partial
from typing import Annotated
from uuid import uuid4

from fastapi import APIRouter, Request, Response

from mlx_gui.api.answers import encoded, feed, only
from mlx_gui.api.anthropic.messages.answer import (
    PING,
    AnswerHead,
    StreamEncoder,
    WholeAnswer,
    error_frame,
)
from mlx_gui.api.anthropic.messages.translate import to_core, to_count
from mlx_gui.api.anthropic.messages.wire import (
    MessageAnswer,
    MessageCountRequest,
    MessageRequest,
    MessageTokenCount,
)
from mlx_gui.api.anthropic.wire import AnthropicErrorEnvelope
from mlx_gui.api.auth import Principal, requires
from mlx_gui.api.bodies import translated
from mlx_gui.api.notices import RequestNotices
from mlx_gui.api.priority import RequestPriority
from mlx_gui.api.services import InjectedServices
from mlx_gui.api.sse import EventStreamResponse
from mlx_gui.api.validation import StrictJsonRoute
from mlx_gui.core.generation import Tokenized

router = APIRouter(
    route_class=StrictJsonRoute,
    tags=["Messages"],
    responses={"4XX": {"model": AnthropicErrorEnvelope}, "5XX": {"model": AnthropicErrorEnvelope}},
)


@router.post(
    "/v1/messages",
    operation_id="create_message",
    summary="Continue a conversation, Anthropic's way",
    responses={200: {"model": MessageAnswer}},
)
async def create_message(
    body: MessageRequest,
    request: Request,
    services: InjectedServices,
    notices: RequestNotices,
    who: Annotated[Principal, requires("inference")],
    priority: RequestPriority = 0,
) -> Response:
    """The answer at once or, with `stream`, as server-sent events. Loads the model if need be."""
    model = await services.library.find(body.model)
    omitted = body.thinking is not None and body.thinking.display == "omitted"
    head = AnswerHead(id=f"msg_{uuid4().hex}", model=model.id, show_thinking=not omitted)
    core = await translated(
        request,
        partial(to_core, body, notices=notices, tenant=who.tenant, priority=priority),
    )
    events = notices.watch(services.dispatch.events(model, core, request_id=head.id))
    if not body.stream:
        answer = await feed(WholeAnswer(head), events, request.receive)
        return Response(answer.complete().model_dump_json(), media_type="application/json")
    return EventStreamResponse(
        encoded(events, StreamEncoder(head).encode),
        error_frame=partial(error_frame, request_id=request.state.request_id),
        stall_s=services.config.client_stall_s,
        commit_s=services.config.stream_commit_s,
        keep_alive=PING,
    )


@router.post(
    "/v1/messages/count_tokens",
    operation_id="count_message_tokens",
    summary="Count the tokens of a conversation",
)
async def count_message_tokens(
    body: MessageCountRequest,
    request: Request,
    services: InjectedServices,
    notices: RequestNotices,
    who: Annotated[Principal, requires("inference")],
) -> MessageTokenCount:
    """How many tokens the model would read. Loads the model if need be: its template decides."""
    model = await services.library.find(body.model)
    question = await translated(
        request, partial(to_count, body, notices=notices, tenant=who.tenant)
    )
    events = services.dispatch.events(model, question, request_id=f"count_{uuid4().hex}")
    tokenized = await only(events, Tokenized, request.receive)
    return MessageTokenCount(input_tokens=len(tokenized.ids))
