"""The JSON of `/v1/audio/speech` and `/v1/audio/voices`. Unknown fields are ignored."""

from typing import Annotated, Literal

from pydantic import BaseModel, BeforeValidator, Field

from mlx_gui.api.fields import Between, Int64, NonEmpty, Strict
from mlx_gui.api.priority import Priority
from mlx_gui.core.sound_format import SoundFormat

MAX_NAME = 200

VoiceName = Annotated[str, Field(min_length=1, max_length=MAX_NAME)]


def _named(voice: object) -> object:
    """A voice may come as an object with its id."""
    match voice:
        case {"id": str(name)}:
            return name
        case _:
            return voice


class VoiceId(BaseModel):
    """A voice by its id, which is its name."""

    id: str


class SpeechRequest(Strict):
    """A text that is to be spoken.

    The format is mp3 and the speed 1 unless said otherwise. Without a `voice` it is the model's
    own; `GET /v1/audio/voices` names them. `speed` is made of the sound, at the same pitch.
    `instructions` are left out by models that follow none. The same `seed` says the same text in
    the same way.
    """

    model: str
    input: NonEmpty
    voice: (
        Annotated[VoiceName, BeforeValidator(_named, json_schema_input_type=str | VoiceId)] | None
    ) = None
    response_format: SoundFormat | None = None
    stream_format: Literal["audio", "sse"] | None = None
    speed: Annotated[float, Between(0.25, 4)] | None = None
    instructions: str | None = None
    seed: Int64 | None = None
    priority: Priority | None = None


class SpeechUsage(BaseModel):
    """Tokens of the text, and of the sound, whose tokens are a model's frames."""

    input_tokens: int
    output_tokens: int
    total_tokens: int


class SpeechAudioDelta(BaseModel):
    """More sound; `audio` is base64 of bytes that follow on those before."""

    type: Literal["speech.audio.delta"] = "speech.audio.delta"
    audio: str


class SpeechAudioDone(BaseModel):
    """The end of a stream."""

    type: Literal["speech.audio.done"] = "speech.audio.done"
    usage: SpeechUsage


class VoiceObject(BaseModel):
    """A voice of an installed model; `default` is the one that speaks where none is asked for."""

    id: str
    name: str
    model: str
    default: bool


class VoiceList(BaseModel):
    """The voices of one model, or of all that speak."""

    object: Literal["list"] = "list"
    voices: list[VoiceObject]


STREAM_EVENTS = (SpeechAudioDelta, SpeechAudioDone)
