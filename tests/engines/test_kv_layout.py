"""What is computed of a config against the caches that mlx-lm really makes, byte for byte."""

import importlib
import json
from collections.abc import Mapping, Sequence
from typing import Any

import pytest

from mlx_gui.kinds.kv_layout import kv_layout
from tests.engines.remote import RemoteEngine
from tests.zoo.cache import checkpoint
from tests.zoo.families import FAMILIES

CAPACITY_TOKENS = 512
"""Of a cache that holds 301 tokens, read in chunks."""

EXPERTS = ("n_routed_experts", "num_experts", "num_local_experts")
BASE = {
    "hidden_size": 64,
    "intermediate_size": 96,
    "num_hidden_layers": 4,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "head_dim": 16,
    "rms_norm_eps": 1e-5,
    "rope_theta": 10000.0,
    "vocab_size": 64,
    "max_position_embeddings": 2048,
    "tie_word_embeddings": False,
    "attention_bias": False,
}
MIXED = ["sliding_attention", "full_attention"] * 2
MAMBA = {
    "mamba_n_heads": 4,
    "mamba_d_head": 16,
    "mamba_d_state": 8,
    "mamba_d_conv": 4,
    "mamba_n_groups": 1,
}
LATENT = {
    "kv_lora_rank": 32,
    "q_lora_rank": 24,
    "qk_rope_head_dim": 8,
    "qk_nope_head_dim": 16,
    "v_head_dim": 16,
    "moe_intermediate_size": 32,
    "n_routed_experts": None,
    "n_shared_experts": None,
}
LINEAR = {
    "linear_num_value_heads": 4,
    "linear_num_key_heads": 2,
    "linear_key_head_dim": 8,
    "linear_value_head_dim": 16,
    "linear_conv_kernel_dim": 4,
}
CONFIGS: Mapping[str, Mapping[str, Any]] = {
    "llama": {"layer_types": MIXED, "sliding_window": 16},
    "qwen2": {"layer_types": MIXED, "sliding_window": 16},
    "gpt2": {
        "n_ctx": 512, "n_embd": 64, "n_head": 4, "n_layer": 2, "n_positions": 512,
        "layer_norm_epsilon": 1e-5, "hidden_size": None, "head_dim": None,
    },
    "gpt_bigcode": {
        "num_hidden_layers": None, "n_embd": 64, "n_layer": 2, "n_inner": 96, "n_head": 4,
        "n_positions": 512,
        "layer_norm_epsilon": 1e-5, "hidden_size": None, "head_dim": None,
        "num_key_value_heads": None,
    },
    "cohere2": {"sliding_window": 16, "layer_norm_eps": 1e-5, "logit_scale": 1.0},
    "olmo3": {"sliding_window": 16, "rope_scaling": None},
    "exaone4": {"sliding_window": 16, "sliding_window_pattern": "LLLG", "rope_scaling": None},
    "gpt_oss": {
        "sliding_window": 16, "num_local_experts": 2, "num_experts_per_tok": 1,
        "rope_scaling": {"rope_type": "default"},
    },
    "gemma4_text": {
        "sliding_window": 16, "num_kv_shared_layers": 2, "global_head_dim": 32,
        "num_hidden_layers": 6, "layer_types": ["sliding_attention", "full_attention"] * 3,
        "vocab_size_per_layer_input": 64, "hidden_size_per_layer_input": 8,
    },
    "deepseek_v2": {
        **LATENT,
        "rope_scaling": {
            "type": "yarn",
            "factor": 1.0,
            "original_max_position_embeddings": 512,
            "mscale": 1.0,
            "mscale_all_dim": 1.0,
        },
    },
    "deepseek_v3": LATENT,
    "minicpm3": {
        **LATENT, "dim_model_base": 64, "scale_depth": 1.0, "scale_emb": 1.0, "rope_scaling": {
            "type": "longrope", "factor": 1.0, "original_max_position_embeddings": 512,
            "short_factor": [1.0] * 4, "long_factor": [1.0] * 4,
        },
    },
    "qwen3_next": {
        **LINEAR, "num_experts": 0, "num_experts_per_tok": 1, "decoder_sparse_step": 1,
        "shared_expert_intermediate_size": 32, "mlp_only_layers": [], "moe_intermediate_size": 32,
        "partial_rotary_factor": 0.25, "full_attention_interval": 4,
    },
    "olmo_hybrid": {**LINEAR, "linear_allow_neg_eigval": True},
    "mamba": {
        "state_size": 8, "conv_kernel": 4, "use_bias": False, "use_conv_bias": True,
        "time_step_rank": 4,
    },
    "mamba2": {
        "num_heads": 4, "state_size": 8, "conv_kernel": 4, "n_groups": 1, "use_bias": False,
        "use_conv_bias": True, "time_step_limit": [0.0, 100.0], "time_step_rank": 4,
        "layer_norm_epsilon": 1e-5,
    },
    "jamba": {
        "attn_layer_offset": 1, "attn_layer_period": 2, "expert_layer_offset": 1,
        "expert_layer_period": 2, "mamba_d_conv": 4, "mamba_d_state": 8, "mamba_expand": 2,
        "num_experts": 1, "num_experts_per_tok": 1,
    },
    "falcon_h1": {**MAMBA, "mamba_d_ssm": 64},
    "granitemoehybrid": {
        **MAMBA, "layer_types": ["mamba", "attention"] * 2, "embedding_multiplier": 1.0,
        "attention_multiplier": 1.0, "logits_scaling": 1.0, "residual_multiplier": 1.0,
        "mamba_proj_bias": False, "mamba_conv_bias": True, "shared_intermediate_size": 32,
    },
    "nemotron_h": {
        "mamba_num_heads": 4, "mamba_head_dim": 16, "ssm_state_size": 8, "conv_kernel": 4,
        "n_groups": 1, "mlp_bias": False, "layer_norm_epsilon": 1e-5, "use_bias": False,
        "use_conv_bias": True, "mamba_proj_bias": False, "hybrid_override_pattern": "M-M*",
    },
    "recurrent_gemma": {
        "conv1d_width": 4, "logits_soft_cap": 30.0, "attention_window_size": 16,
        "block_types": ["recurrent", "recurrent", "attention"], "head_dim": None,
        "num_key_value_heads": 1,
    },
    "rwkv7": {
        "norm_eps": 1e-5, "a_low_rank_dim": 8, "v_low_rank_dim": 8, "gate_low_rank_dim": 8,
        "decay_low_rank_dim": 8,
    },
    "plamo2": {
        "hidden_size_per_head": 16, "mamba_d_state": 8, "mamba_num_heads": 4, "mamba_step": 2,
    },
    "kimi_linear": {
        **LATENT, "num_experts": 0, "model_max_length": 512, "linear_attn_config": {
            "num_heads": 4, "head_dim": 16, "short_conv_kernel_size": 4, "kda_layers": [1, 2, 3],
            "full_attn_layers": [4],
        },
    },
    "baichuan_m1": {
        "sliding_window": 16, "sliding_window_layers": [1, 3], "conv_window": 2, "head_dim": None,
    },
}  # fmt: skip


@pytest.mark.parametrize("family", CONFIGS)
def test_every_sort_of_cache_takes_what_its_config_says(family: str, engine: RemoteEngine) -> None:
    config = {"model_type": family, **BASE, **CONFIGS[family]}
    check(config, engine)


@pytest.mark.parametrize("name", FAMILIES)
def test_the_caches_of_every_checkpoint_take_what_its_config_says(
    name: str, engine: RemoteEngine
) -> None:
    check(json.loads((checkpoint(name) / "config.json").read_text()), engine)


def check(config: Mapping[str, Any], engine: RemoteEngine) -> None:
    layout = kv_layout(config)
    part = config.get("text_config", config)
    # A processor multiplies experts of 32 bits only.
    sizes = (4,) if any(part.get(name) for name in EXPERTS) else (4, 2)
    held = engine.child.call(cache_bytes, config, sizes)
    for value_bytes in sizes:
        expected = CAPACITY_TOKENS * layout.bytes_per_token * value_bytes // 2
        for window in layout.windows:
            tokens = min(window.tokens, CAPACITY_TOKENS)
            expected += tokens * window.bytes_per_token * value_bytes // 2
        state_bytes = layout.state_bytes * value_bytes // 2 + layout.wide_state_bytes
        # A state that some versions of a file keep in 16 bits counts as one of 32.
        assert held[value_bytes] <= expected + state_bytes
        assert held[value_bytes] >= expected + state_bytes - layout.wide_state_bytes // 2
        if value_bytes == 4:
            assert held[value_bytes] == expected + state_bytes


def cache_bytes(config: Mapping[str, Any], sizes: Sequence[int]) -> dict[int, int]:
    """In the child: bytes of the caches after a prompt and a token, by those of a value."""
    import mlx.core as mx
    from mlx_lm.utils import MODEL_REMAPPING

    from mlx_gui.engines.text.mlx_lm import make_prompt_cache

    name = str(config["model_type"])
    library = importlib.import_module(f"mlx_lm.models.{MODEL_REMAPPING.get(name, name)}")
    found: dict[int, int] = {}
    for size in sizes:
        dtype = mx.float32 if size == 4 else mx.bfloat16
        model = library.Model(library.ModelArgs.from_dict(dict(config)))
        model.set_dtype(dtype)
        cache = make_prompt_cache(model)
        for tokens in (128, 128, 44, 1):
            model(mx.zeros((1, tokens), mx.int32), cache=cache)
            mx.eval([layer.state for layer in cache])
        found[size] = sum(layer.nbytes for layer in cache)
    return found
