"""What it takes to pack a model's weights, told before it happens; pure."""

from mlx_gui.core.errors import DiskFull, InsufficientMemory, ModelUnsupported
from mlx_gui.core.model import Kind, Model
from mlx_gui.core.quantization import Quantization
from mlx_gui.core.units import format_bytes
from mlx_gui.kinds.vision_facts import VisionFacts

CONVERTED: tuple[Kind, ...] = ("text", "vision")
_OVERHEAD_BYTES = 400_000_000
"""Of the process that does it, before it has read any weights."""
_FILES_BESIDE = 1.05
"""Tokenizer and templates, and what is not packed, beside the packed weights."""


def packed_bytes(model: Model, wanted: Quantization) -> int:
    """About what the new model takes on the disk; what it sees with stays as it is."""
    facts = model.facts
    assert facts is not None, "only a model that is known is converted"
    packed, stays_bytes = facts.parameter_count, 0
    if isinstance(facts.own, VisionFacts):
        packed -= facts.own.tower.parameter_count
        stays_bytes = facts.own.tower.stored_bytes
    return stays_bytes + int(packed * wanted.bits_per_weight / 8 * _FILES_BESIDE)


def check_conversion(
    model: Model,
    wanted: Quantization,
    *,
    available_bytes: int,
    free_disk_bytes: int,
    reserve_bytes: int,
    sense: str | None = None,
) -> None:
    """Raises ModelUnsupported, InsufficientMemory or DiskFull where it cannot be done now.

    `reserve_bytes` of the disk are to stay free. `sense` is what the model does besides writing
    text, by its config.
    """
    facts = model.facts
    if not model.path:
        raise ModelUnsupported(f"{model.id} is built in, and has no weights to be packed.")
    if model.problem is not None or facts is None:
        raise ModelUnsupported(f"{model.id} cannot be converted: {model.problem}")
    if sense is not None and facts.kind == "text":
        raise ModelUnsupported(
            f"{model.id} also {sense}, which a conversion would lose: nothing here serves what it "
            f"{sense} with.",
            hint="Take a repo that has it packed already; `mlx-gui search` finds them.",
        )
    if facts.kind not in CONVERTED or model.adapter is not None:
        raise ModelUnsupported(
            f"{model.id} cannot be converted: only models of text, and of text and pictures, "
            "without an adapter are so far."
        )
    if facts.quantization is not None:
        raise ModelUnsupported(
            f"{model.id} is quantized already, as {facts.quantization}.",
            hint="Convert the model that it was made of: packing twice loses twice.",
        )
    made_bytes = packed_bytes(model, wanted)
    needed_bytes = facts.stored_bytes + made_bytes + _OVERHEAD_BYTES
    if needed_bytes > available_bytes:
        raise InsufficientMemory(
            f"To convert {model.id} takes {format_bytes(needed_bytes)} of memory, and "
            f"{format_bytes(available_bytes)} are free now.",
            hint="Unload models, or close other programs.",
            details={"needed_bytes": needed_bytes, "available_bytes": available_bytes},
            retry_after_s=30,
        )
    if made_bytes > free_disk_bytes - reserve_bytes:
        raise DiskFull(
            f"The converted model takes about {format_bytes(made_bytes)}, and the disk has "
            f"{format_bytes(free_disk_bytes)} left, of which a reserve of "
            f"{format_bytes(reserve_bytes)} stays.",
            hint="Free some space, or set disk_reserve_bytes lower.",
            details={"needed_bytes": made_bytes, "free_bytes": free_disk_bytes},
        )
