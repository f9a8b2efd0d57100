"""`/v1/audio/transcriptions`."""

from typing import Annotated
from uuid import uuid4

from fastapi import APIRouter, Response

from mlx_gui.api.answers import encoded
from mlx_gui.api.documented import errors_as
from mlx_gui.api.form_reader import Form
from mlx_gui.api.forms import FormRoute, form_of, texts_of
from mlx_gui.api.openai.transcriptions.answer import Hearing
from mlx_gui.api.openai.transcriptions.translate import response_of, to_core
from mlx_gui.api.openai.transcriptions.wire import (
    Transcription,
    TranscriptionFields,
    VerboseTranscription,
)
from mlx_gui.api.openai.translate import error_frames
from mlx_gui.api.serving import InjectedServing
from mlx_gui.wire.errors import ErrorEnvelope

router = APIRouter(
    route_class=FormRoute,
    tags=["Audio"],
    responses=errors_as(ErrorEnvelope, "4XX", "5XX"),
)


@router.post(
    "/v1/audio/transcriptions",
    operation_id="create_transcription",
    summary="Write down what is said",
    responses={200: {"model": Transcription | VerboseTranscription}},
)
async def create_transcription(
    serving: InjectedServing, form: Annotated[Form, form_of("file")]
) -> Response:
    """The text of the speech in a file, at once or, with `stream`, as it is heard."""
    fields, file = texts_of(form, TranscriptionFields), form.file("file")
    model = await serving.model(fields.model)
    asked = to_core(fields, form, file, serving.notices)
    events = serving.events(model, asked, id=f"transcript-{uuid4().hex}", needs="transcription")
    hearing = Hearing()
    if fields.stream:
        return serving.stream(encoded(events, hearing.encode), error_frame=error_frames)
    await serving.whole(hearing, events)
    return response_of(fields, hearing.transcript())
