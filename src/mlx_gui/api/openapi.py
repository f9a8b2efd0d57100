"""`/openapi.json`: what FastAPI finds by itself, and what it cannot see: streams and forms."""

from typing import Any

from fastapi import FastAPI
from pydantic import BaseModel
from pydantic.json_schema import models_json_schema

from mlx_gui.api.anthropic.messages.stream_wire import STREAM_EVENTS as MESSAGE_EVENTS
from mlx_gui.api.anthropic.wire import AnthropicErrorEnvelope
from mlx_gui.api.documented import REFERENCE
from mlx_gui.api.intake import FORM_TYPE
from mlx_gui.api.ollama.errors import OllamaError
from mlx_gui.api.openai.chat.wire import ChatCompletionChunk
from mlx_gui.api.openai.completions.wire import Completion
from mlx_gui.api.openai.responses.wire.events import STREAM_EVENTS as RESPONSE_EVENTS
from mlx_gui.api.openai.speech.wire import STREAM_EVENTS as SPEECH_EVENTS
from mlx_gui.api.openai.transcriptions.wire import STREAM_EVENTS as TRANSCRIPTION_EVENTS
from mlx_gui.api.openai.transcriptions.wire import TranscriptionForm, TranslationForm
from mlx_gui.wire.downloads import DownloadBody, RemovedDownload
from mlx_gui.wire.errors import ErrorEnvelope
from mlx_gui.wire.jobs import JobBody, RemovedJob
from mlx_gui.wire.models import ModelObject
from mlx_gui.wire.requests import RequestsEvent
from mlx_gui.wire.status import (
    HelloEvent,
    ManagerStatus,
    MemoryStatus,
    RemovedModel,
    SnapshotEvent,
    SystemStatus,
)

ERRORS: tuple[type[BaseModel], ...] = (ErrorEnvelope, AnthropicErrorEnvelope, OllamaError)
"""What the errors of routes look like."""
STREAMED: tuple[tuple[str, str, tuple[type[BaseModel], ...]], ...] = (
    ("/v1/chat/completions", "post", (ChatCompletionChunk,)),
    ("/v1/completions", "post", (Completion,)),
    ("/v1/responses", "post", RESPONSE_EVENTS),
    ("/v1/audio/transcriptions", "post", TRANSCRIPTION_EVENTS),
    ("/v1/audio/speech", "post", SPEECH_EVENTS),
    ("/v1/messages", "post", (*MESSAGE_EVENTS, AnthropicErrorEnvelope)),
    (
        "/v1/events",
        "get",
        (
            HelloEvent,
            SnapshotEvent,
            ModelObject,
            RemovedModel,
            MemoryStatus,
            ManagerStatus,
            SystemStatus,
            RequestsEvent,
            JobBody,
            RemovedJob,
            DownloadBody,
            RemovedDownload,
        ),
    ),
)
"""Path, method and the JSON of each event's data."""
FORMS: tuple[tuple[str, type[BaseModel]], ...] = (
    ("/v1/audio/transcriptions", TranscriptionForm),
    ("/v1/audio/translations", TranslationForm),
)
"""Path and fields of each form that is posted."""


def describe(app: FastAPI) -> None:
    """Make `app.openapi` name the events of the streams and the fields of the forms as well."""
    plain = app.openapi

    def openapi() -> dict[str, Any]:
        if app.openapi_schema is None:
            app.openapi_schema = _with_forms(_with_streams(_with_errors(plain())))
        return app.openapi_schema

    app.openapi = openapi


def _with_errors(document: dict[str, Any]) -> dict[str, Any]:
    _, definitions = models_json_schema(
        [(error, "serialization") for error in ERRORS], ref_template=REFERENCE
    )
    components = document["components"]
    components["schemas"] = dict(sorted({**components["schemas"], **definitions["$defs"]}.items()))
    return document


def _with_streams(document: dict[str, Any]) -> dict[str, Any]:
    schemas: dict[str, Any] = document["components"]["schemas"]
    for path, method, events in STREAMED:
        _, definitions = models_json_schema(
            [(event, "serialization") for event in events], ref_template=REFERENCE
        )
        for name, schema in definitions["$defs"].items():
            schemas.setdefault(name, schema)
        references = [{"$ref": REFERENCE.format(model=event.__name__)} for event in events]
        answer = document["paths"][path][method]["responses"]["200"]
        answer.setdefault("content", {})["text/event-stream"] = {"schema": {"anyOf": references}}
    return document


def _with_forms(document: dict[str, Any]) -> dict[str, Any]:
    schemas: dict[str, Any] = document["components"]["schemas"]
    for path, form in FORMS:
        schemas[form.__name__] = form.model_json_schema(ref_template=REFERENCE)
        reference = {"schema": {"$ref": REFERENCE.format(model=form.__name__)}}
        document["paths"][path]["post"]["requestBody"] = {
            "required": True,
            "content": {FORM_TYPE: reference},
        }
    return document
