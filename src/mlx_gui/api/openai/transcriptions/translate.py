"""A form becomes a request, a transcript becomes one of OpenAI's formats."""

from fastapi import Response

from mlx_gui.api.form_reader import Form, FormFile
from mlx_gui.api.notices import Notices
from mlx_gui.api.openai.transcriptions.wire import (
    LEFT_OUT,
    DurationUsage,
    Format,
    Transcription,
    TranscriptionFields,
    TranscriptionSegment,
    TranscriptionWord,
    TranscriptUsage,
    Translation,
    TranslationFields,
    VerboseTranscription,
)
from mlx_gui.api.serving import json_of
from mlx_gui.config import Config
from mlx_gui.core.blob import size_of
from mlx_gui.core.errors import InvalidRequest, PayloadTooLarge
from mlx_gui.core.generation import Usage
from mlx_gui.core.subtitles import Cue, srt, vtt
from mlx_gui.kinds.transcription import TranscribeRequest, Transcript

_STREAMED: tuple[Format, ...] = ("json", "text", "verbose_json")


def to_core(
    fields: TranscriptionFields, form: Form, notices: Notices, config: Config
) -> TranscribeRequest:
    """What the model is asked. Raises InvalidRequest for what cannot be answered so."""
    file = _sound(form, config)
    if fields.stream and fields.response_format not in _STREAMED:
        raise InvalidRequest(
            f"A stream has no format {fields.response_format}.",
            hint="Leave `stream` or `response_format` out.",
            param="response_format",
        )
    words = "word" in fields.timestamp_granularities
    if words and fields.response_format != "verbose_json":
        raise InvalidRequest(
            f"The format {fields.response_format} does not show the times of words.",
            hint="Set `response_format` to verbose_json.",
            param="timestamp_granularities[]",
        )
    notices.leave_out(name for name in form.texts if _plain(name) in LEFT_OUT)
    return TranscribeRequest(
        sound=file.content,
        name=file.name,
        language=fields.language,
        prompt=fields.prompt,
        temperature=fields.temperature,
        words=words,
        longest_s=config.max_audio_s,
    )


def to_translation(fields: TranslationFields, form: Form, config: Config) -> TranscribeRequest:
    """What the model is asked. Raises InvalidRequest for what cannot be answered so."""
    file = _sound(form, config)
    return TranscribeRequest(
        sound=file.content,
        name=file.name,
        prompt=fields.prompt,
        temperature=fields.temperature,
        translate=True,
        longest_s=config.max_audio_s,
    )


def response_of(fields: TranslationFields, transcript: Transcript, usage: Usage | None) -> Response:
    """`transcript` in the format that was asked for; `usage` is what it took."""
    match fields.response_format:
        case "json" if isinstance(fields, TranscriptionFields):
            return json_of(Transcription(text=transcript.text, usage=usage_of(transcript)))
        case "json":
            return json_of(Translation(text=transcript.text))
        case "verbose_json":
            body = verbose_of(fields, transcript, usage)
            return Response(body.model_dump_json(exclude_none=True), media_type="application/json")
        case "text":
            return Response(f"{transcript.text}\n", media_type="text/plain")
        case "srt":
            return Response(
                srt(_cues(transcript)), media_type="application/x-subrip; charset=utf-8"
            )
        case "vtt":
            return Response(vtt(_cues(transcript)), media_type="text/vtt")


def usage_of(transcript: Transcript) -> DurationUsage:
    """How long the sound is."""
    return DurationUsage(seconds=transcript.duration_s)


def stream_usage(transcript: Transcript, usage: Usage) -> TranscriptUsage:
    """What a stream says at its end, which at OpenAI is always of tokens."""
    read, written = usage.prompt_tokens, usage.completion_tokens
    return TranscriptUsage(
        input_tokens=read,
        output_tokens=written,
        total_tokens=read + written,
        seconds=transcript.duration_s,
    )


def _plain(name: str) -> str:
    """A field by the name that LEFT_OUT has for it."""
    return name if name.endswith("[]") else name.partition("[")[0]


def verbose_of(
    fields: TranslationFields, transcript: Transcript, usage: Usage | None
) -> VerboseTranscription:
    """All that is known of the transcript, with the times that were asked for."""
    translated = not isinstance(fields, TranscriptionFields)
    wanted = ["segment"] if translated else fields.timestamp_granularities
    segments = [
        TranscriptionSegment(
            id=number,
            seek=segment.seek,
            start=segment.start_s,
            end=segment.end_s,
            text=segment.text,
            tokens=list(segment.tokens),
            temperature=segment.temperature,
            avg_logprob=segment.mean_logprob,
            compression_ratio=segment.compression_ratio,
            no_speech_prob=segment.no_speech_chance,
        )
        for number, segment in enumerate(transcript.segments)
    ]
    words = [
        TranscriptionWord(word=word.text, start=word.start_s, end=word.end_s)
        for word in transcript.words
    ]
    return VerboseTranscription(
        task="translate" if translated else "transcribe",
        # What is written is English, whatever was spoken.
        language="english" if translated else transcript.language_name or transcript.language,
        duration=transcript.duration_s,
        text=transcript.text,
        segments=segments if "segment" in wanted else None,
        words=words if "word" in wanted else None,
        usage=usage_of(transcript),
        real_time_factor=None if usage is None else _real_time_factor(usage),
    )


def _sound(form: Form, config: Config) -> FormFile:
    """The file that is to be heard. Raises InvalidRequest and PayloadTooLarge."""
    file = form.file("file")
    size_bytes, most_bytes = size_of(file.content), config.max_audio_bytes
    if not size_bytes:
        raise InvalidRequest("`file` is empty.", hint="Send sound in it.", param="file")
    if size_bytes > most_bytes:
        raise PayloadTooLarge(
            f"`file` has {size_bytes} bytes; this server takes {most_bytes} of sound.",
            hint="Raise max_audio_bytes, or send it as MP3 or Opus, or in parts.",
            details={"param": "file"},
        )
    return file


def _real_time_factor(usage: Usage) -> float | None:
    worked_ms = usage.prefill_ms + usage.decode_ms
    return round(usage.audio_ms / worked_ms, 2) if worked_ms > 0 else None


def _cues(transcript: Transcript) -> list[Cue]:
    return [(each.start_s, each.end_s, each.text) for each in transcript.segments]
