"""Models that continue text and pictures."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from types import MappingProxyType

import msgspec

from mlx_gui.core.generation import (
    DetokenizeRequest,
    GenerateRequest,
    TokenizeRequest,
    WorkerRequest,
)
from mlx_gui.core.model import (
    Kind,
    KindFacts,
    KindOptions,
    ModelFacts,
    TextFacts,
)
from mlx_gui.kinds.base import LoadAsked, LoadPlanned, Recognised
from mlx_gui.kinds.checkpoint import INDEX_FILE, DamagedFile, read_tensors
from mlx_gui.kinds.text import TextKind, facts_in
from mlx_gui.kinds.text_plan import plan_text
from mlx_gui.kinds.vision_facts import (
    MOST_PIXELS,
    VisionFacts,
    VisionOptions,
    facts_of_text,
    has_tower,
    read_parts,
    read_tower,
)
from mlx_gui.kinds.vision_memory import looking_bytes

MODEL_TYPES = ("gemma3", "gemma3n", "mistral3", "qwen2_vl")
"""Architectures that are driven here. mlx-lm knows them too, without their towers."""

_LEAST_PIXELS = 256 * 256
_PICTURE_SHARE = 8
"""Looking at one picture may take this part of the room; larger pictures are scaled down."""


class VisionKind:
    """Text models that have a tower to look at pictures with, in their files."""

    name: Kind = "vision"
    engine = "mlx_gui.engines.vision.engine"
    requests: tuple[type[WorkerRequest], ...] = (
        GenerateRequest,
        TokenizeRequest,
        DetokenizeRequest,
    )
    options: type[KindOptions] = VisionOptions
    facts: type[KindFacts] = VisionFacts
    library = "mlx-vlm"
    architectures = "mlx_gui.engines.vision.architectures"
    scripted: Mapping[str, ModelFacts] = MappingProxyType({})
    weight_files: tuple[str, ...] = ("*.safetensors", INDEX_FILE)

    def recognise(self, folder: Path, config: dict[str, object]) -> Recognised | None:
        """Claims those with the weights of a tower; without them a model is a text model."""
        model_type = config.get("model_type")
        if model_type not in MODEL_TYPES:
            return None
        try:
            tensors = read_parts(read_tensors(folder))
            if not has_tower(tensors):
                return None
            found = facts_in(folder, config, tensors, kind=self.name)
            if found.facts is None:
                return found
            own = facts_of_text(found.facts.own, read_tower(folder, config, tensors))
        except DamagedFile:
            # The text kind says what is wrong with it.
            return None
        able = found.facts.capabilities
        sees = ("vision",) if "chat" in able else ()
        facts = msgspec.structs.replace(found.facts, own=own, capabilities=(*able, *sees))
        return Recognised(facts, found.problem)

    def plan(self, asked: LoadAsked) -> LoadPlanned:
        """As a text model's; pictures are as large as memory allows."""
        if asked.settings.vision == "off":
            return plan_text(_as_text(asked))
        own = asked.facts.own
        assert isinstance(own, VisionFacts), f"{asked.model.id} has no tower"
        pixels = min(MOST_PIXELS, own.tower.pixels)
        while pixels > _LEAST_PIXELS and _looking_bytes(asked, own, pixels) > (
            asked.room_bytes // _PICTURE_SHARE
        ):
            pixels = max(pixels * 3 // 4, _LEAST_PIXELS)
        return plan_text(asked, VisionOptions(picture_pixels=pixels))


def _looking_bytes(asked: LoadAsked, own: VisionFacts, pixels: int) -> int:
    value_bytes = 4 if asked.device.backend == "cpu" else 2
    backend = asked.device.backend
    return looking_bytes(own.tower, pixels, value_bytes=value_bytes, backend=backend)


def _as_text(asked: LoadAsked) -> LoadAsked:
    """The same load without the tower, by the library for text."""
    facts, own = asked.facts, asked.facts.own
    assert isinstance(own, VisionFacts), f"{asked.model.id} has no tower"
    said = msgspec.structs.asdict(own)
    tower = said.pop("tower")
    text = msgspec.structs.replace(
        facts,
        kind=TextKind.name,
        own=TextFacts(**said),
        parameter_count=facts.parameter_count - tower.parameter_count,
        stored_bytes=facts.stored_bytes - tower.stored_bytes,
        float16_bytes=facts.float16_bytes - tower.float16_bytes,
    )
    engine = asked.engine.replace(f".{VisionKind.name}", f".{TextKind.name}")
    return replace(asked, facts=text, engine=engine)
