"""`/v1/messages` and the counting of its tokens."""

from functools import partial
from uuid import uuid4

from fastapi import APIRouter, Response

from mlx_gui.api.answers import encoded
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
from mlx_gui.api.documented import errors_as
from mlx_gui.api.serving import InjectedServing, json_of
from mlx_gui.api.validation import StrictJsonRoute
from mlx_gui.core.generation import Tokenized

router = APIRouter(
    route_class=StrictJsonRoute,
    tags=["Messages"],
    responses=errors_as(AnthropicErrorEnvelope, "4XX", "5XX"),
)


@router.post(
    "/v1/messages",
    operation_id="create_message",
    summary="Continue a conversation, Anthropic's way",
    responses={200: {"model": MessageAnswer}},
)
async def create_message(body: MessageRequest, serving: InjectedServing) -> Response:
    """The answer at once or, with `stream`, as server-sent events. Loads the model if need be."""
    model = await serving.model(body.model)
    omitted = body.thinking is not None and body.thinking.display == "omitted"
    head = AnswerHead(id=f"msg_{uuid4().hex}", model=model.id, show_thinking=not omitted)
    shown = serving.shown(model)
    core = await serving.translated(partial(to_core, body, shown=shown))
    core = await serving.with_pictures(core, shown)
    events = serving.events(model, core, id=head.id, needs="chat")
    if body.stream:
        frames = encoded(events, StreamEncoder(head).encode)
        return serving.stream(frames, error_frame=error_frame, keep_alive=PING)
    return json_of((await serving.whole(WholeAnswer(head), events)).complete())


@router.post(
    "/v1/messages/count_tokens",
    operation_id="count_message_tokens",
    summary="Count the tokens of a conversation",
)
async def count_message_tokens(
    body: MessageCountRequest, serving: InjectedServing
) -> MessageTokenCount:
    """How many tokens the model would read. Loads the model if need be: its template decides."""
    model = await serving.model(body.model)
    shown = serving.shown(model)
    question = await serving.translated(partial(to_count, body, shown=shown))
    question = await serving.with_pictures(question, shown)
    events = serving.events(model, question, id=f"count_{uuid4().hex}", needs="chat", credits=0)
    tokenized = await serving.only(Tokenized, events)
    return MessageTokenCount(input_tokens=len(tokenized.ids))
