"""Models that speak a text."""

from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType

import msgspec

from mlx_gui.core.generation import WorkerRequest
from mlx_gui.core.model import Kind, KindFacts, KindOptions, LoadSpec, ModelFacts, WeightForm
from mlx_gui.core.sound_format import SoundFormat
from mlx_gui.kinds.base import LoadAsked, LoadPlanned, Recognised
from mlx_gui.kinds.checkpoint import INDEX_FILE, DamagedFile, Tensor, read_tensors
from mlx_gui.kinds.quantization import parameter_counts, read_quantization
from mlx_gui.kinds.speech_files import (
    CODEC_FOLDER,
    Family,
    SpeechFacts,
    facts_of,
    family_of,
    type_of,
    why_not_driven,
    why_not_these,
)
from mlx_gui.kinds.speech_memory import speech_need
from mlx_gui.kinds.weight_forms import weight_forms

_TOGETHER = 4
"""More wait: each has caches of its own."""


class SpeakRequest(WorkerRequest, msgspec.Struct, frozen=True, tag="speak"):
    """What a model is to say.

    Answered by Audio in `format`, as it is spoken. Without a `voice` it is the model's own. The
    same `seed` says the same text in the same way; without one each time is another.
    `instructions` say how to speak to a model that follows them.
    """

    text: str
    voice: str | None = None
    format: SoundFormat = "wav"
    speed: float = 1.0
    seed: int | None = None
    instructions: str | None = None


class SpeechOptions(KindOptions, msgspec.Struct, frozen=True, tag="speech"):
    """How such a model is loaded."""

    slots: int = 1


class SpeechKind:
    """Pocket TTS, Qwen3-TTS and their like."""

    name: Kind = "speech"
    engine = "mlx_gui.engines.speech.engine"
    requests: tuple[type[WorkerRequest], ...] = (SpeakRequest,)
    options: type[KindOptions] = SpeechOptions
    facts: type[KindFacts] = SpeechFacts
    library = "mlx-audio"
    architectures = "mlx_gui.engines.speech.architectures"
    scripted: Mapping[str, ModelFacts] = MappingProxyType(
        {
            "speech": ModelFacts(
                kind="speech",
                model_type="fake",
                capabilities=("speech",),
                parameter_count=12_500_000,
                stored_bytes=50_000_000,
                largest_tensor_parameters=1_000_000,
                own=SpeechFacts(voices=("anna", "bert"), default_voice="anna", rate_hz=24_000),
            )
        }
    )
    weight_files: tuple[str, ...] = ("*.safetensors", INDEX_FILE)

    def recognise(self, folder: Path, config: dict[str, object]) -> Recognised | None:
        model_type = type_of(config)
        if model_type is None:
            return None
        family = family_of(model_type)
        if family is None:
            return Recognised(None, why_not_driven(model_type))
        try:
            tensors = _tensors(folder, family)
            own = facts_of(folder, config, family)
        except DamagedFile as damage:
            return Recognised(None, str(damage))
        quantization = read_quantization(config)
        parameters = parameter_counts(tensors, quantization).values()
        facts = ModelFacts(
            kind=self.name,
            model_type=model_type,
            capabilities=("speech",),
            parameter_count=sum(parameters),
            stored_bytes=sum(tensor.stored_bytes for tensor in tensors),
            largest_tensor_parameters=max(parameters, default=0),
            own=own,
            quantization=None if quantization is None else str(quantization),
            float16_bytes=sum(
                tensor.stored_bytes for tensor in tensors if tensor.dtype in ("F16", "BF16")
            ),
        )
        return Recognised(facts, why_not_these(folder, config, own))

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
            options=SpeechOptions(slots=min(asked.settings.slots, _TOGETHER)),
        )
        need = speech_need(asked.facts, spec, backend=asked.device.backend)
        return LoadPlanned(spec, asked.corrected(spec, need))


def _tensors(folder: Path, family: Family) -> list[Tensor]:
    tensors = read_tensors(folder)
    if family != "qwen3_tts":
        return tensors
    try:
        return [*tensors, *read_tensors(folder / CODEC_FOLDER)]
    except DamagedFile as damage:
        raise DamagedFile(f"In its folder {CODEC_FOLDER}: {damage}") from damage
