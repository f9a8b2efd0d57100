"""What the files of an encoder say that its memory follows from."""

from collections.abc import Mapping
from pathlib import Path

from mlx_gui.core.model import Capability, Kind, KindFacts, ModelFacts
from mlx_gui.kinds.architecture import (
    attention_heads,
    context_length,
    encoded_values_per_token,
    language_part,
)
from mlx_gui.kinds.checkpoint import DamagedFile, read_tensors
from mlx_gui.kinds.encoder_plan import EncoderSizes
from mlx_gui.kinds.numbers import number
from mlx_gui.kinds.quantization import parameter_counts, read_quantization

_POSITIONS_BEHIND_PADDING = ("camembert", "roberta", "xlm-roberta")
"""Their positions begin after the id of the padding, so there are fewer than the config says."""


def encoder_sizes(
    folder: Path, config: Mapping[str, object], *, longest: int | None
) -> EncoderSizes:
    """Those of the model; `longest` is what its other files say of an input. Raises DamagedFile."""
    positions = context_length(config)
    if positions and config.get("model_type") in _POSITIONS_BEHIND_PADDING:
        positions -= (number(config, "pad_token_id") or 1) + 1
    bounds = [each for each in (positions, longest) if each]
    if not bounds:
        raise DamagedFile("Nothing says how long a text the model reads.")
    tokenizer = folder / "tokenizer.json"
    return EncoderSizes(
        longest_tokens=max(min(bounds), 1),
        values_per_token=encoded_values_per_token(config),
        attention_heads=attention_heads(language_part(config)),
        tokenizer_bytes=tokenizer.stat().st_size if tokenizer.exists() else 0,
    )


def encoder_facts(
    folder: Path,
    config: Mapping[str, object],
    *,
    kind: Kind,
    capabilities: tuple[Capability, ...],
    own: KindFacts,
) -> ModelFacts:
    """The facts of the model in `folder`. Raises DamagedFile."""
    tensors = read_tensors(folder)
    quantization = read_quantization(config)
    parameters = parameter_counts(tensors, quantization).values()
    halves = [tensor for tensor in tensors if tensor.dtype in ("F16", "BF16")]
    return ModelFacts(
        kind=kind,
        model_type=str(config.get("model_type")),
        capabilities=capabilities,
        parameter_count=sum(parameters),
        stored_bytes=sum(tensor.stored_bytes for tensor in tensors),
        largest_tensor_parameters=max(parameters, default=0),
        own=own,
        quantization=None if quantization is None else str(quantization),
        float16_bytes=sum(tensor.stored_bytes for tensor in halves),
    )
