"""The events of a transcription, put together or as a stream."""

from mlx_gui.api.answers import broken_off
from mlx_gui.api.openai.transcriptions.translate import stream_usage, verbose_of
from mlx_gui.api.openai.transcriptions.wire import (
    TranscriptDelta,
    TranscriptDone,
    TranslationFields,
)
from mlx_gui.api.sse import frame
from mlx_gui.core.errors import from_info
from mlx_gui.core.generation import Delta, Event, Failed, Prepared, Result, Usage
from mlx_gui.kinds.transcription import Transcript, unpacked


class Hearing:
    """Takes the events of one transcription, whose form has `fields`."""

    def __init__(self, fields: TranslationFields) -> None:
        self._fields = fields
        self._transcript: Transcript | None = None
        self.usage: Usage | None = None
        """What it took, once it is over."""

    def feed(self, event: Event) -> None:
        """Take the next event. Raises what a Failed carries."""
        match event:
            case Result(value=value):
                self._transcript = unpacked(value)
            case Failed(error=info):
                raise from_info(info)
            case Usage():
                self.usage = event
            case _:
                pass

    def encode(self, event: Event) -> bytes:
        """What a stream says of the next event; raises as `feed` does."""
        self.feed(event)
        match event:
            case Prepared(audio_s=float(audio_s)):
                return _framed(TranscriptDelta(delta="", heard_s=0.0, duration=audio_s))
            case Delta(text=text, until_s=until_s):
                return _framed(TranscriptDelta(delta=text, heard_s=until_s or None))
            case Usage():
                return _framed(self._done(event))
            case _:
                return b""

    def transcript(self) -> Transcript:
        """All that was heard. Raises WorkerFailed where it did not come."""
        if self._transcript is None:
            raise broken_off()
        return self._transcript

    def _done(self, took: Usage) -> TranscriptDone:
        heard = self.transcript()
        usage = stream_usage(heard, took)
        if self._fields.response_format != "verbose_json":
            return TranscriptDone(text=heard.text, usage=usage)
        verbose = verbose_of(self._fields, heard, took)
        return TranscriptDone(
            text=heard.text,
            usage=usage,
            language=verbose.language,
            duration=verbose.duration,
            segments=verbose.segments,
            words=verbose.words,
            real_time_factor=verbose.real_time_factor,
        )


def _framed(body: TranscriptDelta | TranscriptDone) -> bytes:
    return frame(body.model_dump_json(exclude_none=True).encode(), event=body.type)
