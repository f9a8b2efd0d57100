"""Numbers of a transformer out of its config.json, whose fields differ from family to family.

Where a config is unclear these count too much rather than too little: the numbers go into a load
plan, and a plan that promises too much ends in a killed process.
"""

from collections.abc import Mapping
from typing import cast

_EXPANDED_LATENTS = ("deepseek_v2", "minicpm3", "youtu_llm")
"""Families of latent attention whose caches hold the keys and values of every head all the same."""


def language_part(config: Mapping[str, object]) -> dict[str, object]:
    """The config of the language model; one that also sees or hears nests it in text_config."""
    nested = config.get("text_config")
    return {**config, **cast(dict[str, object], nested)} if isinstance(nested, dict) else {**config}


def context_length(config: Mapping[str, object]) -> int | None:
    """Tokens that the model was trained for, or None when the config is silent."""
    part = language_part(config)
    names = ("max_position_embeddings", "n_positions", "max_sequence_length", "max_seq_len")
    return _number(part, *names, "seq_length", "n_ctx") or None


def vocabulary_size(config: Mapping[str, object]) -> int | None:
    """Token ids that the model has logits for, or None when the config is silent."""
    return _number(language_part(config), "vocab_size") or None


def kv_bytes_per_token(config: Mapping[str, object]) -> int:
    """Bytes that one more token takes in a 16-bit KV cache; 0 for a purely recurrent model.

    Layers with a sliding window count in full, because they hold whole prefill chunks.
    """
    part = language_part(config)
    layers = _attention_layers(part)
    all_heads = _number(part, "num_attention_heads", "n_heads", "n_head")
    rope_dim = _number(part, "qk_rope_head_dim")
    if latent_dim := _number(part, "kv_lora_rank"):
        if part.get("model_type") in _EXPANDED_LATENTS:
            nope_dim, value_dim = _number(part, "qk_nope_head_dim"), _number(part, "v_head_dim")
            values = all_heads * (nope_dim + rope_dim + value_dim)
        else:
            values = latent_dim + rope_dim + 2 * _number(part, "index_head_dim")
    else:
        heads = _number(part, "num_key_value_heads", "num_kv_heads", "n_kv_heads") or all_heads
        head_dim = max(
            _number(part, "global_head_dim"),
            _number(part, "head_dim") or _hidden(part) // max(all_heads, 1),
        )
        values = 2 * heads * head_dim
    return 2 * layers * values


def activations_per_token(config: Mapping[str, object]) -> int:
    """Values that one layer holds for a token while a prompt is read."""
    part = language_part(config)
    dense = _number(part, "intermediate_size", "n_inner", "ffn_hidden_size")
    experts = _number(part, "moe_intermediate_size") * _number(part, "num_experts_per_tok")
    hidden = _hidden(part)
    return hidden + 3 * (max(dense, experts) or 4 * hidden)


def _attention_layers(part: Mapping[str, object]) -> int:
    layers = _number(part, "num_hidden_layers", "n_layers", "n_layer", "num_layers")
    types = part.get("layer_types")
    if isinstance(types, list) and types:
        named = [str(each) for each in cast(list[object], types)]
        layers = sum("attention" in each and "linear" not in each for each in named)
    elif interval := _number(part, "full_attention_interval"):
        layers //= interval
    return max(layers - _number(part, "num_kv_shared_layers"), 0)


def _hidden(part: Mapping[str, object]) -> int:
    return _number(part, "hidden_size", "n_embd", "d_model", "dim")


def _number(part: Mapping[str, object], *names: str) -> int:
    """The first of `names` that holds a count; of a count per layer the largest; else 0."""
    for name in names:
        value = part.get(name)
        members = cast(list[object], value) if isinstance(value, list) else [value]
        counts = [each for each in members if type(each) is int and 0 < each < 2**31]
        if counts:
            return max(counts)
    return 0
