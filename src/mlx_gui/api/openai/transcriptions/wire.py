"""The forms and the JSON of `/v1/audio/…`. Unknown fields are ignored."""

import re
from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, Field
from pydantic_core import PydanticCustomError

from mlx_gui.api.fields import Between, NonEmpty

Format = Literal["json", "text", "srt", "verbose_json", "vtt"]
Granularity = Literal["word", "segment"]

LEFT_OUT = frozenset(
    {
        "chunking_strategy",
        "include[]",
        "keywords[]",
        "known_speaker_names[]",
        "known_speaker_references[]",
        "languages[]",
    }
)
"""What is not read; some of these come in pieces, as `chunking_strategy[type]`."""


_LANGUAGE = re.compile(r"[A-Za-z][A-Za-z-]{1,31}")


def _as_language(name: str) -> str:
    if _LANGUAGE.fullmatch(name) is None:
        raise PydanticCustomError(
            "language", "Input should be the code of a language, like de, or its English name"
        )
    return name


class TranslationFields(BaseModel):
    """The texts of the form, beside its `file`. Numbers and truths are written out."""

    model: NonEmpty
    prompt: str = ""
    response_format: Format = "json"
    temperature: Annotated[float, Between(0, 1)] = 0.0


class TranscriptionFields(TranslationFields):
    """The texts of the form, beside its `file`. Numbers and truths are written out."""

    language: Annotated[str, AfterValidator(_as_language)] | None = None
    timestamp_granularities: Annotated[
        list[Granularity], Field(alias="timestamp_granularities[]", max_length=8)
    ] = ["segment"]
    stream: bool = False


class TranscriptionForm(TranscriptionFields):
    """The whole form, for the reference: the file is not read as a text."""

    file: bytes


class TranslationForm(TranslationFields):
    """The whole form, for the reference: the file is not read as a text."""

    file: bytes


class DurationUsage(BaseModel):
    """How long the sound is."""

    type: Literal["duration"] = "duration"
    seconds: float


class TranscriptUsage(BaseModel):
    """Tokens written, and how long the sound is. Of sound no tokens are read, but `seconds`."""

    type: Literal["tokens"] = "tokens"
    input_tokens: int
    output_tokens: int
    total_tokens: int
    seconds: float


class Transcription(BaseModel):
    """The answer in the format `json`."""

    text: str
    usage: DurationUsage


class Translation(BaseModel):
    """The answer in the format `json`."""

    text: str


class TranscriptionWord(BaseModel):
    """A word, with its times in seconds."""

    word: str
    start: float
    end: float


class TranscriptionSegment(BaseModel):
    """Some words in a row, with their times in seconds."""

    id: int
    seek: int
    start: float
    end: float
    text: str
    tokens: list[int]
    temperature: float
    avg_logprob: float
    compression_ratio: float
    no_speech_prob: float


class VerboseTranscription(BaseModel):
    """The answer in the format `verbose_json`.

    `real_time_factor` is how many seconds of sound were heard in a second of work.
    """

    task: Literal["transcribe", "translate"] = "transcribe"
    language: str
    duration: float
    text: str
    segments: list[TranscriptionSegment] | None = None
    words: list[TranscriptionWord] | None = None
    usage: DurationUsage
    real_time_factor: float | None = None


class TranscriptDelta(BaseModel):
    """More text, in a stream. `heard_s` is how far into the sound it goes, where that is known.

    The first one has no text yet, and the `duration` of the sound in seconds, if its file says it.
    """

    type: Literal["transcript.text.delta"] = "transcript.text.delta"
    delta: str
    heard_s: float | None = None
    duration: float | None = None


class TranscriptDone(BaseModel):
    """The end of a stream. The rest is there where the format is `verbose_json`."""

    type: Literal["transcript.text.done"] = "transcript.text.done"
    text: str
    usage: TranscriptUsage
    language: str | None = None
    duration: float | None = None
    segments: list[TranscriptionSegment] | None = None
    words: list[TranscriptionWord] | None = None
    real_time_factor: float | None = None


STREAM_EVENTS = (TranscriptDelta, TranscriptDone)
