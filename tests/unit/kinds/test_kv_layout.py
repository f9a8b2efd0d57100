"""Layouts worked out by hand; `tests/engines/test_kv_layout.py` compares them with real caches."""

import pytest

from mlx_gui.core.model import KVLayout, SlidingWindow
from mlx_gui.kinds.kv_layout import kv_layout

SMOLLM2 = {
    "hidden_size": 576,
    "num_hidden_layers": 30,
    "num_attention_heads": 9,
    "num_key_value_heads": 3,
}
LATENT = {
    "num_hidden_layers": 61,
    "num_attention_heads": 128,
    "num_key_value_heads": 128,
    "kv_lora_rank": 512,
    "qk_rope_head_dim": 64,
    "qk_nope_head_dim": 128,
    "v_head_dim": 128,
}
LAYER = 2 * 3 * 64 * 2
"""Bytes of a token in one layer of SmolLM2."""

MIXED = ["sliding_attention"] * 10 + ["full_attention"] * 20


def window(layers: int, tokens: int = 512) -> tuple[SlidingWindow, ...]:
    return (SlidingWindow(tokens, layers * LAYER),)


@pytest.mark.parametrize(
    ("config", "expected"),
    [
        pytest.param(SMOLLM2, KVLayout(30 * LAYER, layers=30), id="grouped query heads"),
        pytest.param(
            {**SMOLLM2, "num_key_value_heads": None},
            KVLayout(90 * LAYER, layers=30),
            id="all heads",
        ),
        pytest.param(
            {**SMOLLM2, "head_dim": 128}, KVLayout(60 * LAYER, layers=30), id="explicit head size"
        ),
        pytest.param({"text_config": SMOLLM2}, KVLayout(30 * LAYER, layers=30), id="nested"),
        pytest.param(
            {"n_layer": 12, "n_head": 12, "n_embd": 768},
            KVLayout(12 * 2 * 768 * 2, layers=12),
            id="gpt2",
        ),
        pytest.param(
            {**SMOLLM2, "num_key_value_heads": [1, 3, 2] * 10},
            KVLayout(2 * 60 * 64 * 2, layers=30),
            id="heads by layer",
        ),
        pytest.param(
            {**SMOLLM2, "model_type": "qwen2", "layer_types": MIXED, "sliding_window": 512},
            KVLayout(30 * LAYER, layers=30),
            id="a family without windows, whatever its config says",
        ),
        pytest.param(
            {**SMOLLM2, "model_type": "llama", "layer_types": MIXED, "sliding_window": 512},
            KVLayout(20 * LAYER, window(10), layers=30),
            id="named layers with a window",
        ),
        pytest.param(
            {**SMOLLM2, "model_type": "gemma3_text", "sliding_window": 512},
            KVLayout(5 * LAYER, window(25), layers=30),
            id="every sixth layer keeps all",
        ),
        pytest.param(
            {"model_type": "mistral3", "text_config": {**SMOLLM2, "model_type": "ministral3",
             "layer_types": MIXED, "sliding_window": 512}},
            KVLayout(30 * LAYER, layers=30),
            id="a wrapper with plain caches",
        ),
        pytest.param(
            {**SMOLLM2, "model_type": "gemma3n", "layer_types": MIXED, "sliding_window": 512,
             "num_kv_shared_layers": 15},
            KVLayout(5 * LAYER, window(10), layers=15),
            id="the last layers use the caches of others",
        ),
        pytest.param(
            {**SMOLLM2, "model_type": "llama4", "attention_chunk_size": 8192},
            KVLayout(7 * LAYER, window(23, 8192 + 256), layers=30, batched=False),
            id="chunks",
        ),
        pytest.param(
            {**SMOLLM2, "layer_types": ["conv", "full_attention"] * 15, "conv_L_cache": 3},
            KVLayout(15 * LAYER, state_bytes=15 * 2 * 576 * 2, layers=30),
            id="short convolutions",
        ),
        pytest.param(
            {**SMOLLM2, "full_attention_interval": 4, "linear_num_value_heads": 32,
             "linear_num_key_heads": 16, "linear_key_head_dim": 128, "linear_value_head_dim": 128},
            KVLayout(
                7 * LAYER,
                state_bytes=23 * 3 * (2 * 16 * 128 + 32 * 128) * 2,
                wide_state_bytes=23 * 32 * 128 * 128 * 4,
                layers=30,
            ),
            id="gated delta nets",
        ),
        pytest.param(
            {"model_type": "mamba", "num_hidden_layers": 3, "intermediate_size": 64,
             "state_size": 16, "conv_kernel": 4},
            KVLayout(state_bytes=3 * 3 * 64 * 2, wide_state_bytes=3 * 64 * 16 * 4, layers=3),
            id="purely recurrent",
        ),
        pytest.param(
            {"model_type": "deepseek_v3", **LATENT},
            KVLayout(61 * 576 * 2, layers=61),
            id="latent attention",
        ),
        pytest.param(
            {"model_type": "deepseek_v32", "index_head_dim": 128, **LATENT},
            KVLayout(61 * (576 + 2 * 128) * 2, layers=61),
            id="latent attention with an index",
        ),
        pytest.param(
            {"model_type": "deepseek_v2", **LATENT},
            KVLayout(61 * 128 * (128 + 64 + 128) * 2, layers=61),
            id="latent attention that mlx-lm caches expanded",
        ),
        pytest.param({}, KVLayout(), id="nothing"),
        pytest.param(
            {"num_hidden_layers": 2**30, "hidden_size": 2, "num_attention_heads": 1},
            KVLayout(4096 * 8, layers=4096),
            id="more layers than any model has",
        ),
    ],
)  # fmt: skip
def test_what_a_sequence_leaves_in_the_caches(
    config: dict[str, object], expected: KVLayout
) -> None:
    assert kv_layout(config) == expected
