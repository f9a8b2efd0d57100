"""`/v1/audio/speech` and `/v1/audio/voices`."""

from functools import partial
from typing import Annotated, Any
from uuid import uuid4

from fastapi import APIRouter, Query, Response

from mlx_gui.api.answers import encoded
from mlx_gui.api.auth import requires
from mlx_gui.api.documented import errors_as
from mlx_gui.api.injected import InjectedServices
from mlx_gui.api.openai.speech.translate import (
    MEDIA_TYPES,
    format_of,
    frame_of,
    sound_of,
    to_core,
    voice_list,
)
from mlx_gui.api.openai.speech.wire import SpeechRequest, VoiceList
from mlx_gui.api.openai.translate import error_frames
from mlx_gui.api.serving import InjectedServing
from mlx_gui.api.validation import StrictJsonRoute
from mlx_gui.core.capabilities import check_capability, facts_to_serve
from mlx_gui.wire.errors import ErrorEnvelope

router = APIRouter(
    route_class=StrictJsonRoute,
    tags=["Audio"],
    responses=errors_as(ErrorEnvelope, "4XX", "5XX"),
)
_SOUND: dict[int | str, Any] = {
    200: {
        "description": "The sound in the format that was asked for, as it is spoken.",
        "content": {
            each.partition(";")[0]: {"schema": {"type": "string", "format": "binary"}}
            for each in MEDIA_TYPES.values()
        },
    }
}


@router.post(
    "/v1/audio/speech",
    operation_id="create_speech",
    summary="Speak a text",
    response_class=Response,
    responses=_SOUND,
)
async def create_speech(body: SpeechRequest, serving: InjectedServing) -> Response:
    """The sound of a text, sent as it is spoken; with `stream_format` sse as events."""
    model = await serving.model(body.model)
    check_capability(model, "speech")
    config = serving.services.server.config
    request = await serving.translated(partial(to_core, body, model, config))
    if body.instructions and request.instructions is None:
        serving.notices.leave_out(["instructions"])
    events = serving.events(
        model, request, id=f"speech-{uuid4().hex}", needs="speech", priority=body.priority
    )
    if body.stream_format == "sse":
        return serving.stream(encoded(events, frame_of), error_frame=error_frames)
    return serving.media(encoded(events, sound_of), MEDIA_TYPES[format_of(body)])


@router.get(
    "/v1/audio/voices",
    operation_id="list_voices",
    summary="List the voices of models that speak",
    dependencies=[requires("models:read")],
)
async def list_voices(
    services: InjectedServices,
    model: Annotated[str | None, Query(description="Those of this model alone.")] = None,
) -> VoiceList:
    """Read from the models' folders; none of them is loaded."""
    library = services.models.library
    if model is None:
        return voice_list(await library.listed())
    one = await library.find(model)
    facts_to_serve(one)
    check_capability(one, "speech")
    return voice_list([one])
