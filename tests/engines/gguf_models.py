"""Small random models, as GGUF files and as mlx-lm has them: whether both give the same logits.

Their rows are long enough for blocks of 256. All functions that need MLX run in the child.
"""

import math
import struct
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.engines.gguf_files import Tensors, write_gguf

HIDDEN = 256
LAYERS = 2
HEADS, KV_HEADS, HEAD_DIM = 4, 2, 64
INNER = 512
TOKENS = 320

GLOBAL_NAMES = {
    "model.embed_tokens": "token_embd",
    "model.norm": "output_norm",
    "lm_head": "output",
}
LAYER_NAMES = {
    "self_attn.q_proj": "attn_q",
    "self_attn.k_proj": "attn_k",
    "self_attn.v_proj": "attn_v",
    "self_attn.o_proj": "attn_output",
    "self_attn.q_norm": "attn_q_norm",
    "self_attn.k_norm": "attn_k_norm",
    "input_layernorm": "attn_norm",
    "post_attention_layernorm": "ffn_norm",
    "mlp.gate_proj": "ffn_gate",
    "mlp.up_proj": "ffn_up",
    "mlp.down_proj": "ffn_down",
}


@dataclass(frozen=True)
class Architecture:
    """How an architecture is called on both sides, and what differs from a llama."""

    gguf: str
    model_type: str
    config: dict[str, Any] = field(default_factory=dict)
    said: dict[str, Any] = field(default_factory=dict)
    names: dict[str, str] = field(default_factory=dict)
    interleaved: bool = False
    norms_plus_one: bool = False
    tensors: Tensors = field(default_factory=dict)


PHI_NAMES = {"self_attn.qkv_proj": "attn_qkv", "mlp.gate_up_proj": "ffn_up"}


def llama_3_table(*, factor: float, length: int, theta: float) -> Tensors:
    """The frequencies' divisors, as llama.cpp writes them."""
    divisors: list[float] = []
    for index in range(HEAD_DIM // 2):
        wave = 2 * math.pi * theta ** (2 * index / HEAD_DIM)
        if wave < length / 4:
            divisors.append(1)
        elif wave > length:
            divisors.append(factor)
        else:
            smooth = (length / wave - 1) / (4 - 1)
            divisors.append(1 / ((1 - smooth) / factor + smooth))
    data = struct.pack(f"<{len(divisors)}f", *divisors)
    return {"rope_freqs.weight": ((len(divisors),), "F32", data)}


def llama_3_scaling(*, factor: float, length: int) -> dict[str, Any]:
    return {
        "rope_type": "llama3",
        "factor": factor,
        "low_freq_factor": 1.0,
        "high_freq_factor": 4.0,
        "original_max_position_embeddings": length,
    }


def stretched(kind: str, factor: float, length: int) -> Architecture:
    """A Qwen with positions stretched, in the keys of its file."""
    scaling = {
        "rope_type": kind,
        "factor": factor,
        "original_max_position_embeddings": length,
    }
    said = {
        "rope.scaling.type": kind,
        "rope.scaling.factor": factor,
        "rope.scaling.original_context_length": length,
    }
    return Architecture("qwen2", "qwen2", {"rope_scaling": scaling}, said)


ARCHITECTURES = {
    "llama": Architecture("llama", "llama", interleaved=True),
    "llama 3.1": Architecture(
        "llama",
        "llama",
        {"rope_scaling": llama_3_scaling(factor=8.0, length=64)},
        interleaved=True,
        tensors=llama_3_table(factor=8.0, length=64, theta=10_000.0),
    ),
    "qwen2 with yarn": stretched("yarn", 4.0, 64),
    "qwen2 with linear": stretched("linear", 4.0, 64),
    "qwen2": Architecture("qwen2", "qwen2"),
    "qwen3": Architecture(
        "qwen3", "qwen3", {"head_dim": HEAD_DIM}, {"attention.key_length": HEAD_DIM}
    ),
    "qwen3moe": Architecture(
        "qwen3moe",
        "qwen3_moe",
        {
            "head_dim": HEAD_DIM,
            "num_experts": 8,
            "num_experts_per_tok": 2,
            "moe_intermediate_size": 256,
            "decoder_sparse_step": 1,
            "mlp_only_layers": [],
            "norm_topk_prob": True,
        },
        {
            "attention.key_length": HEAD_DIM,
            "expert_count": 8,
            "expert_used_count": 2,
            "expert_feed_forward_length": 256,
        },
        {
            "mlp.switch_mlp.gate_proj": "ffn_gate_exps",
            "mlp.switch_mlp.up_proj": "ffn_up_exps",
            "mlp.switch_mlp.down_proj": "ffn_down_exps",
            "mlp.gate": "ffn_gate_inp",
        },
    ),
    "phi3": Architecture("phi3", "phi3", names=PHI_NAMES),
    "phi3 for long texts": Architecture(
        "phi3",
        "phi3",
        {
            "partial_rotary_factor": 0.75,
            "original_max_position_embeddings": 64,
            "rope_scaling": {
                "type": "longrope",
                "long_factor": [1.0 + index / 8 for index in range(24)],
                "short_factor": [1.0] * 24,
            },
        },
        {"rope.dimension_count": 48, "rope.scaling.original_context_length": 64},
        PHI_NAMES,
        tensors={
            "rope_factors_long.weight": (
                (24,),
                "F32",
                struct.pack("<24f", *[1.0 + index / 8 for index in range(24)]),
            ),
            "rope_factors_short.weight": ((24,), "F32", struct.pack("<24f", *[1.0] * 24)),
        },
    ),
    # Seven layers, and a window that is shorter than the text whose logits are compared.
    "gemma3": Architecture(
        "gemma3",
        "gemma3_text",
        {
            "head_dim": 32,
            "num_hidden_layers": 7,
            "query_pre_attn_scalar": 32,
            "rope_theta": 1e6,
            "rope_local_base_freq": 1e4,
            "rope_scaling": {"rope_type": "linear", "factor": 8.0},
            "sliding_window": 16,
            "sliding_window_pattern": 6,
        },
        {
            "attention.key_length": 32,
            "attention.sliding_window": 16,
            "rope.freq_base": 1e6,
            "rope.scaling.type": "linear",
            "rope.scaling.factor": 8.0,
        },
        {
            "post_attention_layernorm": "post_attention_norm",
            "pre_feedforward_layernorm": "ffn_norm",
            "post_feedforward_layernorm": "post_ffw_norm",
        },
        norms_plus_one=True,
    ),
}


def config_of(architecture: Architecture, *, tied: bool) -> dict[str, Any]:
    return {
        "model_type": architecture.model_type,
        "hidden_size": HIDDEN,
        "num_hidden_layers": LAYERS,
        "intermediate_size": INNER,
        "num_attention_heads": HEADS,
        "num_key_value_heads": KV_HEADS,
        "rms_norm_eps": 1e-5,
        "rope_theta": 10_000.0,
        "max_position_embeddings": 512,
        "vocab_size": TOKENS,
        "tie_word_embeddings": tied,
        **architecture.config,
    }


def metadata_of(architecture: Architecture) -> dict[str, Any]:
    said = {
        "embedding_length": HIDDEN,
        "block_count": architecture.config.get("num_hidden_layers", LAYERS),
        "feed_forward_length": INNER,
        "attention.head_count": HEADS,
        "attention.head_count_kv": KV_HEADS,
        "attention.layer_norm_rms_epsilon": 1e-5,
        "rope.freq_base": 10_000.0,
        "context_length": 512,
        **architecture.said,
    }
    return {
        "general.architecture": architecture.gguf,
        **{f"{architecture.gguf}.{name}": value for name, value in said.items()},
        **byte_tokenizer(),
    }


def byte_tokenizer() -> dict[str, Any]:
    """A byte-level vocabulary of `TOKENS` without merges that matter."""
    from tokenizers import pre_tokenizers

    letters = sorted(pre_tokenizers.ByteLevel.alphabet())
    special = [f"<|special_{index}|>" for index in range(TOKENS - len(letters) - 1)]
    return {
        "tokenizer.ggml.model": "gpt2",
        "tokenizer.ggml.pre": "qwen2",
        "tokenizer.ggml.tokens": [*letters, "th", *special],
        "tokenizer.ggml.token_type": [1] * (len(letters) + 1) + [3] * len(special),
        "tokenizer.ggml.merges": ["t h"],
        "tokenizer.ggml.eos_token_id": TOKENS - 1,
    }


def write_random(
    file: Path,
    architecture: Architecture,
    type_name: str,
    *,
    tied: bool = True,
    mixed: Mapping[str, str] | None = None,
) -> list[list[float]]:
    """In the child: a GGUF file with its matrices in `type_name`, and the logits of what it says.

    `mixed` has the types of tensors that are otherwise.
    The logits are those of mlx-lm's own model with the values that the blocks hold.
    """
    import mlx.core as mx
    import numpy as np
    from mlx.utils import tree_flatten

    from mlx_gui.engines.text.mlx_lm import model_classes
    from tests.engines.gguf_blocks import encoded

    model_class, args_class = model_classes(config=config_of(architecture, tied=tied))
    mx.random.seed(3)
    model = model_class(args_class.from_dict(config_of(architecture, tied=tied)))
    if tied and hasattr(model, "lm_head"):
        model.sanitize({})
    tensors: Tensors = dict(architecture.tensors)
    seen: list[tuple[str, Any]] = []
    for name, array in tree_flatten(model.parameters()):
        rows = np.array(mx.random.normal(array.shape)) * (0.1 if array.ndim > 1 else 0.3)
        if array.ndim == 1:  # what float16 holds exactly, as norms and biases are stored here
            rows = rows.astype(np.float16)
        if "norm" in name and not architecture.norms_plus_one:
            rows = (rows + 1).astype(np.float16)
        theirs = gguf_name(architecture, name)
        kind = type_name if array.ndim > 1 and "mlp.gate.weight" not in name else "F32"
        kind = (mixed or {}).get(theirs.split(".")[-2], kind)
        as_seen = encoded(kind, rows.astype(np.float32)).values
        stored = as_stored(architecture, theirs, rows.astype(np.float32))
        tensors[theirs] = (stored.shape, kind, encoded(kind, stored).content)
        seen.append((name, mx.array(as_seen)))
    model.load_weights(seen)
    write_gguf(file, metadata_of(architecture), tensors)
    return logits_of(model)


def gguf_name(architecture: Architecture, name: str) -> str:
    usual = {**LAYER_NAMES, **GLOBAL_NAMES}
    others = {ours: theirs for ours, theirs in usual.items() if ours not in architecture.names}
    for ours, theirs in {**architecture.names, **others}.items():
        name = name.replace(f"{ours}.", f"{theirs}.")
    return name.replace("model.layers.", "blk.")


def as_stored(architecture: Architecture, name: str, rows: Any) -> Any:
    part = name.split(".")[-2]
    if architecture.interleaved and part in ("attn_q", "attn_k"):
        heads = HEADS if part == "attn_q" else KV_HEADS
        return rows.reshape(heads, 2, -1, rows.shape[1]).swapaxes(1, 2).reshape(rows.shape)
    return rows + 1 if architecture.norms_plus_one and part.endswith("norm") else rows


def converted_logits(folder: Path) -> list[list[float]]:
    """In the child: the logits of a converted folder, computed in float32."""
    import mlx.core as mx
    from mlx.utils import tree_map

    from mlx_gui.engines.text.mlx_lm import load_model

    model, _ = load_model(folder)
    floats = (mx.float16, mx.bfloat16)
    model.update(
        tree_map(lambda a: a.astype(mx.float32) if a.dtype in floats else a, model.parameters())
    )
    return logits_of(model)


def logits_of(model: Any) -> list[list[float]]:
    import mlx.core as mx

    return model(mx.arange(3, 83)[None] * 3)[0].astype(mx.float32).tolist()


def difference(ours: list[list[float]], theirs: list[list[float]]) -> float:
    """How far logits are apart, in parts of how much they vary."""
    import numpy as np

    want = np.array(theirs)
    return float(np.sqrt(((np.array(ours) - want) ** 2).mean() / want.var()))
