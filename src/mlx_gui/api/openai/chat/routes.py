"""`/v1/chat/completions`."""

from functools import partial

from fastapi import APIRouter, Response

from mlx_gui.api.answers import Gathering, encoded
from mlx_gui.api.documented import errors_as
from mlx_gui.api.openai.chat.answer import ChunkEncoder, chat_completion, form_of
from mlx_gui.api.openai.chat.hearing import with_heard
from mlx_gui.api.openai.chat.translate import to_core
from mlx_gui.api.openai.chat.wire import ChatCompletion, ChatCompletionRequest
from mlx_gui.api.openai.translate import error_frames, new_head
from mlx_gui.api.serving import InjectedServing, json_of
from mlx_gui.api.validation import StrictJsonRoute
from mlx_gui.wire.errors import ErrorEnvelope

router = APIRouter(
    route_class=StrictJsonRoute,
    tags=["Chat"],
    responses=errors_as(ErrorEnvelope, "4XX", "5XX"),
)


@router.post(
    "/v1/chat/completions",
    operation_id="create_chat_completion",
    summary="Continue a conversation",
    responses={200: {"model": ChatCompletion}},
)
async def create_chat_completion(body: ChatCompletionRequest, serving: InjectedServing) -> Response:
    """The answer at once or, with `stream`, as server-sent chunks. Loads the model if need be."""
    model = await serving.model(body.model)
    head, form = new_head("chatcmpl", model.id), form_of(body)
    shown = serving.shown(model, writes_down=True)
    core = await serving.translated(partial(to_core, body, shown=shown))
    core = await with_heard(serving, await serving.with_pictures(core, shown), shown)
    events = serving.events(
        model, core, id=head.id, needs="chat", credits=core.n, priority=body.priority
    )
    if body.stream:
        frames = encoded(events, ChunkEncoder(head, form).encode)
        return serving.stream(frames, error_frame=error_frames)
    return json_of(chat_completion(head, form, await serving.whole(Gathering(), events)))
