"""Numbers out of configs of every shape."""

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from mlx_gui.kinds.architecture import activations_per_token, attended_values, context_length
from mlx_gui.kinds.kv_layout import kv_layout
from mlx_gui.kinds.quantization import read_quantization
from tests.unit.kinds.folders import LLAMA

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


@pytest.mark.parametrize(
    ("config", "expected"),
    [
        (LLAMA, 4096),
        ({"text_config": {"max_position_embeddings": 32_768}}, 32_768),
        ({"n_positions": 1024}, 1024),
        ({"max_position_embeddings": None, "seq_length": 2048}, 2048),
        ({"max_position_embeddings": -1}, None),
        ({"max_position_embeddings": True}, None),
        ({}, None),
    ],
)
def test_context_length(config: dict[str, object], expected: int | None) -> None:
    assert context_length(config) == expected


@pytest.mark.parametrize(
    ("config", "expected"),
    [
        (LLAMA, 64 + 3 * 128),
        ({"hidden_size": 64}, 64 + 3 * 256),
        ({"hidden_size": 64, "moe_intermediate_size": 32, "num_experts_per_tok": 8}, 64 + 3 * 256),
    ],
)
def test_activations_per_token(config: dict[str, object], expected: int) -> None:
    assert activations_per_token(config) == expected


@pytest.mark.parametrize(
    ("quantization", "expected"),
    [
        ({"bits": 4, "group_size": 32}, "4-bit, group 32"),
        ({"bits": 8, "group_size": 64, "mode": "affine"}, "8-bit, group 64"),
        ({"bits": 4, "group_size": 32, "mode": "mxfp4"}, "4-bit mxfp4, group 32"),
        ({"bits": 0, "group_size": 32}, "None"),
        ({"bits": "4", "group_size": 32}, "None"),
        ({"quant_method": "fp8"}, "None"),
        ("4-bit", "None"),
    ],
)
def test_quantization_as_people_read_it(quantization: object, expected: str) -> None:
    for key in ("quantization", "quantization_config"):
        assert str(read_quantization({key: quantization})) == expected


ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from([*SMOLLM2, *LATENT, "bits", "group_size"]), inner)
    ),
    max_leaves=8,
)


OPTIONAL = (
    "full_attention_interval",
    "head_dim",
    "layer_types",
    "linear_attn_config",
    "num_kv_shared_layers",
    "sliding_window_pattern",
    "quantization",
    "text_config",
)


@settings(deadline=None, max_examples=150)
@example({"model_type": [], "hidden_size": None, "kv_lora_rank": 1})
@given(
    st.dictionaries(
        st.sampled_from([*LLAMA, *LATENT, *OPTIONAL]),
        ANYTHING,
    )
)
def test_no_config_makes_the_numbers_fail_or_negative(config: dict[str, object]) -> None:
    layout = kv_layout(config)
    assert min(layout.bytes_per_token, layout.state_bytes, layout.wide_state_bytes) >= 0
    assert layout.layers > 0
    assert attended_values(config) >= 0
    assert activations_per_token(config) >= 0
    assert (context_length(config) or 1) > 0
    assert str(read_quantization(config))
