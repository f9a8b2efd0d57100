"""A form becomes a request, a transcript becomes one of OpenAI's formats."""

from collections.abc import Callable, Iterator

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
    VerboseTranscription,
)
from mlx_gui.core.blob import size_of
from mlx_gui.core.errors import InvalidRequest
from mlx_gui.kinds.transcription import HeardSegment, TranscribeRequest, Transcript

_STREAMED: tuple[Format, ...] = ("json", "text")


def to_core(
    fields: TranscriptionFields, form: Form, file: FormFile, notices: Notices
) -> TranscribeRequest:
    """What the model is asked. Raises InvalidRequest for what cannot be answered so."""
    if not size_of(file.content):
        raise InvalidRequest("`file` is empty.", hint="Send sound in it.", param="file")
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
    )


def response_of(fields: TranscriptionFields, transcript: Transcript) -> Response:
    """`transcript` in the format that was asked for."""
    match fields.response_format:
        case "json":
            body = Transcription(text=transcript.text, usage=usage_of(transcript))
            return Response(body.model_dump_json(), media_type="application/json")
        case "verbose_json":
            body = _verbose(fields, transcript)
            return Response(body.model_dump_json(exclude_none=True), media_type="application/json")
        case "text":
            return Response(f"{transcript.text}\n", media_type="text/plain")
        case "srt":
            return Response("\n".join(_srt(transcript)), media_type="application/x-subrip")
        case "vtt":
            return Response("\n".join(_vtt(transcript)), media_type="text/vtt")


def usage_of(transcript: Transcript) -> DurationUsage:
    """How long the sound is."""
    return DurationUsage(seconds=transcript.duration_s)


def _plain(name: str) -> str:
    """A field by the name that LEFT_OUT has for it."""
    return name if name.endswith("[]") else name.partition("[")[0]


def _verbose(fields: TranscriptionFields, transcript: Transcript) -> VerboseTranscription:
    wanted = fields.timestamp_granularities
    segments = [
        TranscriptionSegment(
            id=number,
            seek=0,
            start=segment.start_s,
            end=segment.end_s,
            text=segment.text,
            tokens=list(segment.tokens),
            temperature=fields.temperature,
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
        language=transcript.language,
        duration=transcript.duration_s,
        text=transcript.text,
        segments=segments if "segment" in wanted else None,
        words=words if "word" in wanted else None,
        usage=usage_of(transcript),
    )


def _srt(transcript: Transcript) -> Iterator[str]:
    for number, segment in enumerate(transcript.segments, 1):
        yield str(number)
        yield from _cue(segment, lambda seconds: _clock(seconds).replace(".", ","))


def _vtt(transcript: Transcript) -> Iterator[str]:
    yield "WEBVTT\n"
    for segment in transcript.segments:
        yield from _cue(segment, _clock)


def _cue(segment: HeardSegment, clock: Callable[[float], str]) -> Iterator[str]:
    yield f"{clock(segment.start_s)} --> {clock(segment.end_s)}"
    # An empty line, or an arrow, would end or begin a cue.
    yield " ".join(segment.text.split()).replace("-->", "->") + "\n"


def _clock(seconds: float) -> str:
    ms = round(seconds * 1000)
    minutes, ms = divmod(ms, 60_000)
    hours, minutes = divmod(minutes, 60)
    return f"{hours:02}:{minutes:02}:{ms // 1000:02}.{ms % 1000:03}"
