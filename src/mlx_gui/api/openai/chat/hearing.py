"""Sounds in a chat, which a speech model writes down before the chat's own model reads them."""

from functools import partial
from uuid import uuid4

from mlx_gui.api.picture_files import with_parts
from mlx_gui.api.pictures import Shown
from mlx_gui.api.serving import Serving
from mlx_gui.core.blob import INLINE_BYTES, Content
from mlx_gui.core.capabilities import check_capability
from mlx_gui.core.errors import CapabilityMissing, MlxGuiError, ModelNotFound
from mlx_gui.core.generation import GenerateRequest, Part, Result, TextPart
from mlx_gui.core.model import Model
from mlx_gui.kinds.transcription import TranscribeRequest, unpacked

_SILENCE = "[sound in which nothing is said]"
_FILE = "file"
"""What the engine of sound calls the field that it reads."""


async def with_heard(serving: Serving, request: GenerateRequest, shown: Shown) -> GenerateRequest:
    """The request with the words of each sound in its place; the answer's header says by whom.

    Raises CapabilityMissing where the setting names no model that is here and hears, and what the
    speech model refuses.
    """
    if not shown.sounds:
        return request
    model = await _speech_model(serving, where=shown.sounds[0][2])
    heard: dict[int, Part] = {}
    for part, data, where in shown.sounds:
        heard[id(part)] = TextPart(await _words(serving, model, data, where=where))
        shown.notices.transcribed([f"{where} by {model.id}"])
    return with_parts(request, heard)


async def _speech_model(serving: Serving, *, where: str) -> Model:
    name = serving.services.server.config.chat_audio_model
    try:
        model = await serving.model(name)
    except ModelNotFound as missing:
        raise _not_heard(f"{name!r}, which is not installed", where) from missing
    try:
        check_capability(model, "transcription")
    except CapabilityMissing as missing:
        raise _not_heard(f"{model.id}, which cannot write down what is said", where) from missing
    return model


def _not_heard(what: str, where: str) -> CapabilityMissing:
    return CapabilityMissing(
        f"`{where}` is sound, and chat_audio_model names {what}.",
        hint="Set it to a speech model that `mlx-gui list` shows.",
        param=where,
    )


async def _words(serving: Serving, model: Model, data: bytes, *, where: str) -> str:
    content: Content = data
    if len(data) > INLINE_BYTES:
        uploads = serving.services.uploads
        files = await serving.until_answered.enter_async_context(uploads.of_request())
        content = await uploads.aside(partial(files.keep, data))
    longest_s = serving.services.server.config.max_audio_s
    asked = TranscribeRequest(content, longest_s=longest_s)
    id = f"heard-{uuid4().hex}"
    try:
        result = await serving.only(
            Result, serving.events(model, asked, id=id, needs="transcription")
        )
    except MlxGuiError as error:
        if error.details.get("param") == _FILE:
            error.details["param"] = where
            error.message = error.message.replace(f"`{_FILE}`", f"`{where}`")
        raise
    return unpacked(result.value).text.strip() or _SILENCE
