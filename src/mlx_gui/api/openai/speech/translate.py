"""A body becomes a request, events become sound or OpenAI's events, facts become voices."""

from base64 import b64encode
from collections.abc import Iterable

from pydantic import BaseModel

from mlx_gui.api.openai.speech.wire import (
    SpeechAudioDelta,
    SpeechAudioDone,
    SpeechRequest,
    SpeechUsage,
    VoiceList,
    VoiceObject,
)
from mlx_gui.api.sse import frame
from mlx_gui.config import Config
from mlx_gui.core.errors import InvalidRequest, from_info
from mlx_gui.core.generation import Audio, Event, Failed, Usage
from mlx_gui.core.model import Model
from mlx_gui.core.sound_format import SoundFormat, check_format
from mlx_gui.kinds.speech import SpeakRequest
from mlx_gui.kinds.speech_files import SpeechFacts, unknown_voice

MEDIA_TYPES: dict[SoundFormat, str] = {
    "mp3": "audio/mpeg",
    "opus": "audio/ogg; codecs=opus",
    "aac": "audio/aac",
    "flac": "audio/flac",
    "wav": "audio/wav",
    "pcm": "audio/pcm",
}


def to_core(body: SpeechRequest, model: Model, config: Config) -> SpeakRequest:
    """What the model is asked. Raises InvalidRequest for what it cannot say so."""
    most = config.max_speech_characters
    for name, text in (("input", body.input), ("instructions", body.instructions or "")):
        if len(text) > most:
            raise InvalidRequest(
                f"`{name}` has {len(text)} characters; this server speaks {most} at once.",
                hint="Send it in parts, or raise max_speech_characters.",
                param=name,
            )
    if not body.input.strip():
        raise InvalidRequest("`input` is empty.", hint="Send a text to speak.", param="input")
    format = format_of(body)
    check_format(format)
    facts = speech_facts(model)
    voice = None if body.voice is None else body.voice.lower()
    if facts is not None and voice is not None and voice not in facts.voices:
        raise unknown_voice(model.id, voice, facts.voices)
    speed = 1.0 if body.speed is None else body.speed
    follows = facts is not None and facts.follows
    return SpeakRequest(
        body.input,
        voice,
        format,
        speed=speed,
        seed=body.seed,
        instructions=(body.instructions or None) if follows else None,
    )


def format_of(body: SpeechRequest) -> SoundFormat:
    """The format of the answer."""
    return body.response_format or "mp3"


def sound_of(event: Event) -> bytes:
    """The sound in an event. Raises what a Failed carries."""
    match event:
        case Audio(data=data):
            return data
        case Failed(error=info):
            raise from_info(info)
        case _:
            return b""


def frame_of(event: Event) -> bytes:
    """What a stream of events says of one. Raises what a Failed carries."""
    if data := sound_of(event):
        return _framed(SpeechAudioDelta(audio=b64encode(data).decode()), "speech.audio.delta")
    if isinstance(event, Usage):
        read, made = event.prompt_tokens, event.completion_tokens
        usage = SpeechUsage(input_tokens=read, output_tokens=made, total_tokens=read + made)
        return _framed(SpeechAudioDone(usage=usage), "speech.audio.done")
    return b""


def voice_list(models: Iterable[Model]) -> VoiceList:
    """The voices of those of `models` that speak and can be served."""
    return VoiceList(
        voices=[
            VoiceObject(id=voice, name=voice, model=each.id, default=voice == facts.default_voice)
            for each in models
            if each.problem is None and (facts := speech_facts(each)) is not None
            for voice in facts.voices
        ]
    )


def speech_facts(model: Model) -> SpeechFacts | None:
    """What only a model has that speaks; None for all others."""
    own = None if model.facts is None else model.facts.own
    return own if isinstance(own, SpeechFacts) else None


def _framed(body: BaseModel, event: str) -> bytes:
    return frame(body.model_dump_json().encode(), event=event)
