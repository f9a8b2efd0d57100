"""Models that write down what is said."""

from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType

import msgspec

from mlx_gui.core.blob import Content
from mlx_gui.core.generation import WorkerRequest
from mlx_gui.core.model import (
    Capability,
    Kind,
    KindFacts,
    KindOptions,
    LoadSpec,
    ModelFacts,
    WeightForm,
)
from mlx_gui.kinds.base import LoadAsked, LoadPlanned, Recognised
from mlx_gui.kinds.checkpoint import INDEX_FILE, DamagedFile, Tensor, read_header, read_tensors
from mlx_gui.kinds.quantization import parameter_counts, read_quantization
from mlx_gui.kinds.transcription_facts import (
    DETECTOR_TYPES,
    TranscriptionFacts,
    facts_of,
    family_of,
)
from mlx_gui.kinds.transcription_memory import transcription_need
from mlx_gui.kinds.weight_forms import weight_forms

MODEL_TYPES = ("hubert", "moonshine", "parakeet", "parakeet_tdt", "wav2vec2", "whisper")
"""Speech models that this kind claims; which of them can be loaded is the library's to say."""

LONGEST_S = 4 * 3600.0
_TOGETHER = 8
"""More wait: each has a minute of sound in memory."""
_TOKENIZERS = ("tokenizer.json", "vocab.json")
_OLD_WEIGHTS = "weights.safetensors"
"""What older conversions of Whisper call their only file."""


class TranscribeRequest(WorkerRequest, msgspec.Struct, frozen=True, tag="transcribe"):
    """What a model is to write down.

    Answered by a Delta for each piece of text as it is heard, then one Result that is a
    `Transcript`. `name` is what the client calls the file; its ending may tell the format. Without
    a `language` the model finds out. `prompt` is text that the speech follows on. With `translate`
    English is written, whatever is spoken. Sound that is longer than `longest_s` is refused.
    """

    sound: Content
    name: str = ""
    language: str | None = None
    prompt: str = ""
    temperature: float = 0.0
    words: bool = False
    """Whether the times of single words are wanted."""
    translate: bool = False
    longest_s: float = LONGEST_S


class HeardWord(msgspec.Struct, frozen=True):
    """A word, and when it is said."""

    text: str
    start_s: float
    end_s: float


class HeardSegment(msgspec.Struct, frozen=True):
    """Some words in a row, and how sure the model is of them.

    `temperature` is what they were chosen with, `seek` the hundredth of a second of the window that
    they were heard in.
    """

    text: str
    start_s: float
    end_s: float
    tokens: tuple[int, ...] = ()
    mean_logprob: float = 0.0
    compression_ratio: float = 1.0
    no_speech_chance: float = 0.0
    temperature: float = 0.0
    seek: int = 0


class Transcript(msgspec.Struct, frozen=True):
    """All that was heard. `words` are there if they were asked for.

    `language` is its code, `language_name` its name in English where that is known.
    """

    text: str
    language: str
    duration_s: float
    segments: tuple[HeardSegment, ...] = ()
    words: tuple[HeardWord, ...] = ()
    language_name: str = ""

    def packed(self) -> bytes:
        """The value of a Result."""
        return msgspec.msgpack.encode(self)


def unpacked(value: bytes) -> Transcript:
    """The transcript that is the value of a Result."""
    return msgspec.msgpack.decode(value, type=Transcript)


class TranscriptionOptions(KindOptions, msgspec.Struct, frozen=True, tag="transcription"):
    """How such a model is loaded. `detector` is the folder of what finds speech beside it."""

    slots: int = 1
    detector: str | None = None

    def sized_by(self) -> tuple[object, ...]:
        return () if self.detector is None else (self.detector,)


class TranscriptionKind:
    """Whisper and its like."""

    name: Kind = "transcription"
    engine = "mlx_gui.engines.transcription.engine"
    requests: tuple[type[WorkerRequest], ...] = (TranscribeRequest,)
    options: type[KindOptions] = TranscriptionOptions
    facts: type[KindFacts] = TranscriptionFacts
    library = "mlx-audio"
    architectures = "mlx_gui.engines.transcription.architectures"
    scripted: Mapping[str, ModelFacts] = MappingProxyType(
        {
            "transcription": ModelFacts(
                kind="transcription",
                model_type="fake",
                capabilities=("transcription", "translation"),
                parameter_count=12_500_000,
                stored_bytes=50_000_000,
                largest_tensor_parameters=1_000_000,
                own=TranscriptionFacts(translates=True),
            )
        }
    )
    weight_files: tuple[str, ...] = ("*.safetensors", INDEX_FILE, "weights.npz")

    def recognise(self, folder: Path, config: dict[str, object]) -> Recognised | None:
        family = family_of(config)
        named = config.get("model_type")
        detects = named in DETECTOR_TYPES
        known = detects or named in MODEL_TYPES
        if family is None and not known:
            return None
        if family == "whisper" and not any((folder / name).exists() for name in _TOKENIZERS):
            return Recognised(None, _NO_TOKENIZER)
        try:
            tensors = _tensors(folder)
        except DamagedFile as damage:
            return Recognised(None, str(damage))
        own = TranscriptionFacts() if family is None else facts_of(config, family)
        quantization = read_quantization(config)
        parameters = parameter_counts(tensors, quantization).values()
        halves = [tensor for tensor in tensors if tensor.dtype in ("F16", "BF16")]
        facts = ModelFacts(
            kind=self.name,
            # A config of NeMo's names none.
            model_type=str(named) if known else str(family),
            capabilities=() if detects else _capabilities(own),
            parameter_count=sum(parameters),
            stored_bytes=sum(tensor.stored_bytes for tensor in tensors),
            largest_tensor_parameters=max(parameters, default=0),
            own=own,
            quantization=None if quantization is None else str(quantization),
            float16_bytes=sum(tensor.stored_bytes for tensor in halves),
        )
        return Recognised(facts, _DETECTS if detects else None)

    def plan(self, asked: LoadAsked) -> LoadPlanned:
        """The fastest form of the weights that fits, else the smallest."""
        forms = weight_forms(asked.facts, asked.device)
        for form in forms[:-1]:
            planned = self._planned(asked, form)
            need = planned.need
            if max(need.total_bytes, need.load_peak_bytes) <= asked.room_bytes:
                return planned
        return self._planned(asked, forms[-1])

    def _planned(self, asked: LoadAsked, form: WeightForm) -> LoadPlanned:
        spec = LoadSpec(
            model_id=asked.model.id,
            path=asked.model.path,
            kind=self.name,
            engine=asked.engine,
            weight_form=form,
            options=TranscriptionOptions(
                slots=min(asked.settings.slots, _TOGETHER),
                detector=None if asked.detector is None else asked.detector.path,
            ),
        )
        detector = None if asked.detector is None else asked.detector.facts
        need = transcription_need(
            asked.facts, spec, backend=asked.device.backend, detector=detector
        )
        return LoadPlanned(spec, asked.corrected(spec, need))


_DETECTS = (
    "It tells speech from other sound, and answers nothing by itself: models that write down what "
    "is said use it, since it is installed."
)
_NO_TOKENIZER = (
    "It has no tokenizer, as older conversions of Whisper for mlx-whisper: fetch a newer one, "
    "whose folder has tokenizer.json."
)


def _capabilities(own: TranscriptionFacts) -> tuple[Capability, ...]:
    return ("transcription", "translation") if own.translates else ("transcription",)


def _tensors(folder: Path) -> list[Tensor]:
    old = folder / _OLD_WEIGHTS
    return read_header(old) if old.exists() else read_tensors(folder)
