"""What the files of a model say of the tower that it sees with."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import cast

import msgspec

from mlx_gui.core.model import KindFacts, TextFacts, TextOptions
from mlx_gui.kinds.checkpoint import DamagedFile, Tensor, read_json_object
from mlx_gui.kinds.numbers import number
from mlx_gui.kinds.quantization import parameter_counts, read_quantization

_TOWERS = ("vision_tower.", "visual.", "vision_model.", "vision_encoder.")
_TOWER_NAMES = (*_TOWERS, *(f"model.{each}" for each in _TOWERS))
_PROJECTORS = (
    *("multi_modal_projector.", "model.multi_modal_projector.", "model.vision_projection."),
    *("embed_vision.", "model.embed_vision."),
)
_UNREAD = ("audio_tower.", "embed_audio.", "model.audio_tower.", "model.embed_audio.")
"""What a model hears with."""
_USUAL_PATCH = 14
_USUAL_PIXELS = 1024 * 1024
_USUAL_SIDES: Mapping[str, int] = MappingProxyType({"gemma3": 896, "gemma3n": 768})
"""Of the families to which every picture is a square of one size."""


MOST_PIXELS = 4 * 1024 * 1024
"""A larger picture is scaled down to so many, whatever the model's processor would take."""


class Tower(msgspec.Struct, frozen=True):
    """What looks at pictures, for `kinds/vision_memory.py`.

    A picture is cut into patches with sides of `patch` pixels, each of which has `width` values
    between two layers and `inner` within one; or it is `convolved` as a whole. Pictures have
    `pixels` at most, or, where that is `fixed`, always. Its weights and those of what follows it
    are counted as in `ModelFacts`.
    """

    patch: int = _USUAL_PATCH
    width: int = 0
    inner: int = 0
    heads: int = 1
    pixels: int = _USUAL_PIXELS
    fixed: bool = False
    convolved: bool = False
    parameter_count: int = 0
    stored_bytes: int = 0
    float16_bytes: int = 0


class VisionFacts(TextFacts, frozen=True):
    """What the files of a model say that reads text and pictures."""

    tower: Tower = Tower()


class VisionOptions(TextOptions, frozen=True, tag="vision"):
    """How a model is loaded that reads text and pictures.

    Pictures with more than `picture_pixels` are scaled down.
    """

    picture_pixels: int = MOST_PIXELS


def read_parts(tensors: Sequence[Tensor]) -> list[Tensor]:
    """Those that are loaded of a model that sees."""
    return [tensor for tensor in tensors if not tensor.name.startswith(_UNREAD)]


def has_tower(tensors: Sequence[Tensor]) -> bool:
    """Whether the weights are there that a model sees with."""
    return any(tensor.name.startswith(_TOWER_NAMES) for tensor in tensors)


def read_tower(folder: Path, config: Mapping[str, object], tensors: Sequence[Tensor]) -> Tower:
    """The tower of the model in `folder`, of whose weights `tensors` are all."""
    own = [tensor for tensor in tensors if tensor.name.startswith((*_TOWER_NAMES, *_PROJECTORS))]
    halves = [tensor.stored_bytes for tensor in own if tensor.dtype in ("F16", "BF16")]
    try:
        processor = read_json_object(folder / "preprocessor_config.json")
    except DamagedFile:
        # A load says what is wrong with it.
        processor = {}
    return msgspec.structs.replace(
        described_tower(config, processor),
        parameter_count=sum(parameter_counts(own, read_quantization(config)).values()),
        stored_bytes=sum(tensor.stored_bytes for tensor in own),
        float16_bytes=sum(halves),
    )


def described_tower(config: Mapping[str, object], processor: Mapping[str, object]) -> Tower:
    """The tower as config.json has it, and what preprocessor_config.json says of pictures."""
    vision = _part(config, "vision_config")
    width = number(vision, "embed_dim", "hidden_size")
    ratio = vision.get("mlp_ratio")
    inner = number(vision, "intermediate_size")
    if not inner and isinstance(ratio, int | float):
        inner = round(width * ratio)
    pixels, fixed = _pixels(config, vision, processor)
    return Tower(
        patch=number(vision, "patch_size") or _USUAL_PATCH,
        width=width,
        inner=inner or 4 * width,
        heads=number(vision, "num_attention_heads", "num_heads") or 1,
        pixels=pixels,
        fixed=fixed,
        convolved=config.get("model_type") == "gemma3n",
    )


def _pixels(
    config: Mapping[str, object], vision: Mapping[str, object], processor: Mapping[str, object]
) -> tuple[int, bool]:
    """The most pixels that the processor leaves a picture, and whether all have as many."""
    size = _part(processor, "size")
    side = _USUAL_SIDES.get(str(config.get("model_type")))
    if side is not None:
        return (number(vision, "image_size") or number(size, "height") or side) ** 2, True
    if config.get("model_type") == "qwen2_vl":
        # Of this family it is no edge, whatever it is called.
        most = number(processor, "max_pixels") or number(size, "longest_edge")
        return most or _USUAL_PIXELS, False
    edge = number(size, "longest_edge", "height")
    return edge**2 or _USUAL_PIXELS, False


def _part(config: Mapping[str, object], name: str) -> Mapping[str, object]:
    raw = config.get(name)
    return cast(Mapping[str, object], raw) if isinstance(raw, dict) else {}


def facts_of_text(own: KindFacts, tower: Tower) -> VisionFacts:
    """The facts of a text model that also has `tower`."""
    assert isinstance(own, TextFacts), "whatever sees here also writes"
    return VisionFacts(**msgspec.structs.asdict(own), tower=tower)
