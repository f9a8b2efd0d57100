"""How positions are stretched, as config.json says it; GGUF has it in keys, or in a table."""

import math
from typing import Any

import numpy as np

from mlx_gui.core.errors import ModelUnsupported, NotServable
from mlx_gui.engines.convert.gguf_blocks import Floats
from mlx_gui.engines.convert.gguf_facts import Facts

LLAMA_TABLE = "rope_freqs.weight"
PHI_TABLES = ("rope_factors_long.weight", "rope_factors_short.weight")
_LOW, _HIGH = 1.0, 4.0
"""Between so many waves in the trained length, Llama 3 changes from all of the factor to none."""
_NEAR = 1e-3


def rope_of(facts: Facts, head_dim: int) -> dict[str, Any]:
    """What config.json says of it, nothing where nothing is stretched. Raises ModelUnsupported and
    NotServable."""
    turned = facts.count_or("rope.dimension_count", head_dim)
    if turned != head_dim:
        raise ModelUnsupported(
            f"This GGUF file turns {turned} of {head_dim} values of each head, which cannot be "
            "read yet.",
            hint="Its model has a repo in MLX's own form, or none that can be served.",
        )
    if head_dim % 2:
        raise NotServable(
            f"This GGUF file has heads of {head_dim} values, which cannot be turned in pairs.",
            hint="Fetch the file again; it may be damaged.",
        )
    if facts.has(LLAMA_TABLE):
        base = facts.number_or("rope.freq_base", 10_000.0)
        scaling = _llama_3(facts.values(LLAMA_TABLE), head_dim, base)
    else:
        scaling = _said(facts)
    return {} if scaling is None else {"rope_scaling": scaling}


def phi_rope_of(facts: Facts, head_dim: int) -> dict[str, Any]:
    """Phi 3 may turn a part of each head, and has a table for long texts and one for short ones."""
    turned = facts.count_or("rope.dimension_count", head_dim)
    if turned > head_dim or turned % 2:
        raise NotServable(
            f"This GGUF file turns {turned} of {head_dim} values of each head.",
            hint="Fetch the file again; it may be damaged.",
        )
    config: dict[str, Any] = {"partial_rotary_factor": turned / head_dim}
    if not all(map(facts.has, PHI_TABLES)):
        return config
    factors = [facts.values(table).tolist() for table in PHI_TABLES]
    if any(len(each) != turned // 2 for each in factors):
        raise _no_rule(PHI_TABLES[0], f"has {len(factors[0])} numbers for {turned // 2}")
    return config | {
        "original_max_position_embeddings": facts.count("rope.scaling.original_context_length"),
        "rope_scaling": {
            "type": "longrope",
            "long_factor": factors[0],
            "short_factor": factors[1],
        },
    }


def _said(facts: Facts) -> dict[str, Any] | None:
    match facts.said("rope.scaling.type"):
        case None | "none":
            return None
        case "linear":
            return {"rope_type": "linear", "factor": facts.number("rope.scaling.factor")}
        case "yarn":
            return {
                "rope_type": "yarn",
                "factor": facts.number("rope.scaling.factor"),
                "original_max_position_embeddings": facts.count(
                    "rope.scaling.original_context_length"
                ),
            }
        case other:
            raise ModelUnsupported(
                f"This GGUF file stretches positions by {str(other)[:40]}, which cannot be read.",
                hint="Those that do so by linear or yarn can be read.",
            )


def _llama_3(table: Floats, head_dim: int, base: float) -> dict[str, Any] | None:
    """The rule that the table came from; one that another rule has made is refused."""
    waves = 2 * math.pi * base ** (np.arange(0, head_dim, 2) / head_dim)
    if table.shape != waves.shape:
        raise _no_rule(LLAMA_TABLE, f"has {table.size} numbers for {waves.size} frequencies")
    if table.min() <= 0:
        raise _no_rule(LLAMA_TABLE, "has numbers that are not above zero")
    factor = float(table.max())
    if factor <= 1:
        return None
    between = np.flatnonzero((table > 1 + _NEAR) & (table < factor * (1 - _NEAR)))
    lengths = [8192.0]
    if len(between):
        share = (1 / table[between] - 1 / factor) / (1 - 1 / factor)
        lengths = list(waves[between] * (share * (_HIGH - _LOW) + _LOW))
    length = round(float(np.median(lengths)))
    share = np.clip((length / waves - _LOW) / (_HIGH - _LOW), 0, 1)
    if not np.allclose(1 / ((1 - share) / factor + share), table, rtol=_NEAR):
        raise _no_rule(LLAMA_TABLE, "follows no rule of Llama 3")
    return {
        "rope_type": "llama3",
        "factor": float(f"{factor:.6g}"),
        "low_freq_factor": _LOW,
        "high_freq_factor": _HIGH,
        "original_max_position_embeddings": length,
    }


def _no_rule(table: str, why: str) -> ModelUnsupported:
    return ModelUnsupported(
        f"The table {table} of this GGUF file {why}.",
        hint="Its model has a repo in MLX's own form, or none that can be served.",
    )
