"""The events of a transcription, put together or as a stream."""

from mlx_gui.api.answers import broken_off
from mlx_gui.api.openai.transcriptions.translate import usage_of
from mlx_gui.api.openai.transcriptions.wire import TranscriptDelta, TranscriptDone
from mlx_gui.api.sse import frame
from mlx_gui.core.errors import from_info
from mlx_gui.core.generation import Delta, Event, Failed, Result, Usage
from mlx_gui.kinds.transcription import Transcript, unpacked


class Hearing:
    """Takes the events of one transcription."""

    def __init__(self) -> None:
        self._transcript: Transcript | None = None

    def feed(self, event: Event) -> None:
        """Take the next event. Raises what a Failed carries."""
        match event:
            case Result(value=value):
                self._transcript = unpacked(value)
            case Failed(error=info):
                raise from_info(info)
            case _:
                pass

    def encode(self, event: Event) -> bytes:
        """What a stream says of the next event; raises as `feed` does."""
        self.feed(event)
        match event:
            case Delta(text=text):
                return _framed(TranscriptDelta(delta=text))
            case Usage():
                heard = self.transcript()
                return _framed(TranscriptDone(text=heard.text, usage=usage_of(heard)))
            case _:
                return b""

    def transcript(self) -> Transcript:
        """All that was heard. Raises WorkerFailed where it did not come."""
        if self._transcript is None:
            raise broken_off()
        return self._transcript


def _framed(body: TranscriptDelta | TranscriptDone) -> bytes:
    return frame(body.model_dump_json().encode(), event=body.type)
