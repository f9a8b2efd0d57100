"""`/v1/audio/transcriptions` and `/v1/audio/translations`."""

from typing import Annotated
from uuid import uuid4

from fastapi import APIRouter, Response

from mlx_gui.api.answers import encoded
from mlx_gui.api.documented import errors_as
from mlx_gui.api.form_reader import Form
from mlx_gui.api.forms import FormRoute, form_of, texts_of
from mlx_gui.api.openai.transcriptions.answer import Hearing
from mlx_gui.api.openai.transcriptions.translate import response_of, to_core, to_translation
from mlx_gui.api.openai.transcriptions.wire import (
    Transcription,
    TranscriptionFields,
    Translation,
    TranslationFields,
    VerboseTranscription,
)
from mlx_gui.api.openai.translate import error_frames
from mlx_gui.api.serving import InjectedServing
from mlx_gui.core.model import Model
from mlx_gui.kinds.transcription_facts import TranscriptionFacts
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
    fields = texts_of(form, TranscriptionFields)
    asked = to_core(fields, form, serving.notices, serving.services.server.config)
    model = await serving.model(fields.model)
    serving.notices.leave_out(_unread(fields, model))
    events = serving.events(model, asked, id=f"transcript-{uuid4().hex}", needs="transcription")
    hearing = Hearing(fields)
    if fields.stream:
        return serving.stream(encoded(events, hearing.encode), error_frame=error_frames)
    await serving.whole(hearing, events)
    return response_of(fields, hearing.transcript(), hearing.usage)


@router.post(
    "/v1/audio/translations",
    operation_id="create_translation",
    summary="Write down in English what is said in any language",
    responses={200: {"model": Translation | VerboseTranscription}},
)
async def create_translation(
    serving: InjectedServing, form: Annotated[Form, form_of("file")]
) -> Response:
    """The English text of the speech in a file."""
    fields = texts_of(form, TranslationFields)
    asked = to_translation(fields, form, serving.services.server.config)
    model = await serving.model(fields.model)
    events = serving.events(model, asked, id=f"translation-{uuid4().hex}", needs="translation")
    hearing = await serving.whole(Hearing(fields), events)
    return response_of(fields, hearing.transcript(), hearing.usage)


def _unread(fields: TranscriptionFields, model: Model) -> list[str]:
    """Fields that mean nothing to a model of this family."""
    own = None if model.facts is None else model.facts.own
    if not isinstance(own, TranscriptionFacts) or own.family == "whisper":
        return []
    sent = {"prompt": fields.prompt, "temperature": fields.temperature, "language": fields.language}
    return [name for name, value in sent.items() if value]
