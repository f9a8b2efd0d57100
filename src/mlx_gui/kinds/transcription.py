"""Models that write down what is said. On disk they are recognised and not served yet."""

from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType

import msgspec

from mlx_gui.core.blob import Content
from mlx_gui.core.generation import WorkerRequest
from mlx_gui.core.model import Kind, KindFacts, KindOptions, LoadSpec, MemoryNeed, ModelFacts
from mlx_gui.kinds.base import LoadAsked, LoadPlanned, Recognised
from mlx_gui.kinds.memory import PROCESS_BYTES

MODEL_TYPES = ("hubert", "moonshine", "wav2vec2", "whisper")
_NEMO = "nemo.collections.asr"


class TranscribeRequest(WorkerRequest, msgspec.Struct, frozen=True, tag="transcribe"):
    """What a model is to write down.

    Answered by a Delta for each piece of text as it is heard, then one Result that is a
    `Transcript`. `name` is what the client calls the file; its ending may tell the format. Without
    a `language` the model finds out. `prompt` is text that the speech follows on.
    """

    sound: Content
    name: str = ""
    language: str | None = None
    prompt: str = ""
    temperature: float = 0.0
    words: bool = False
    """Whether the times of single words are wanted."""


class HeardWord(msgspec.Struct, frozen=True):
    """A word, and when it is said."""

    text: str
    start_s: float
    end_s: float


class HeardSegment(msgspec.Struct, frozen=True):
    """Some words in a row, and how sure the model is of them."""

    text: str
    start_s: float
    end_s: float
    tokens: tuple[int, ...] = ()
    mean_logprob: float = 0.0
    compression_ratio: float = 1.0
    no_speech_chance: float = 0.0


class Transcript(msgspec.Struct, frozen=True):
    """All that was heard. `words` are there if they were asked for."""

    text: str
    language: str
    duration_s: float
    segments: tuple[HeardSegment, ...] = ()
    words: tuple[HeardWord, ...] = ()

    def packed(self) -> bytes:
        """The value of a Result."""
        return msgspec.msgpack.encode(self)


def unpacked(value: bytes) -> Transcript:
    """The transcript that is the value of a Result."""
    return msgspec.msgpack.decode(value, type=Transcript)


class TranscriptionOptions(KindOptions, msgspec.Struct, frozen=True, tag="transcription"):
    """How such a model is loaded."""

    slots: int = 1


class TranscriptionFacts(KindFacts, msgspec.Struct, frozen=True):
    """What its files say besides; nothing so far."""


class TranscriptionKind:
    """Whisper and its like."""

    name: Kind = "transcription"
    engine = ""
    requests: tuple[type[WorkerRequest], ...] = (TranscribeRequest,)
    options: type[KindOptions] = TranscriptionOptions
    facts: type[KindFacts] = TranscriptionFacts
    library = ""
    architectures = ""
    scripted: Mapping[str, ModelFacts] = MappingProxyType(
        {
            "transcription": ModelFacts(
                kind="transcription",
                model_type="fake",
                capabilities=("transcription",),
                parameter_count=12_500_000,
                stored_bytes=50_000_000,
                largest_tensor_parameters=1_000_000,
                own=TranscriptionFacts(),
            )
        }
    )
    weight_files: tuple[str, ...] = ()

    def recognise(self, folder: Path, config: dict[str, object]) -> Recognised | None:
        of_nemo = str(config.get("target", "")).startswith(_NEMO)
        if not of_nemo and config.get("model_type") not in MODEL_TYPES:
            return None
        return Recognised(
            None, "mlx-gui serves text models so far; this is a speech recognition model."
        )

    def plan(self, asked: LoadAsked) -> LoadPlanned:
        """The weights as they are, and the process around them."""
        facts, process_bytes = asked.facts, PROCESS_BYTES[asked.device.backend]
        spec = LoadSpec(
            model_id=asked.model.id,
            path=asked.model.path,
            kind=self.name,
            engine=asked.engine,
            weight_form="stored",
            options=TranscriptionOptions(slots=asked.settings.slots),
        )
        need = MemoryNeed(
            weights_bytes=facts.stored_bytes,
            kv_bytes=0,
            overhead_bytes=process_bytes,
            load_peak_bytes=facts.stored_bytes + process_bytes,
            process_bytes=process_bytes,
        )
        return LoadPlanned(spec, asked.corrected(spec, need))
