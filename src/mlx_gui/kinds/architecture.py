"""Numbers of a transformer out of its config.json, whose fields differ from family to family.

Where a config is unclear these count too much rather than too little: the numbers go into a load
plan, and a plan that promises too much ends in a killed process.
"""

from collections.abc import Mapping
from typing import cast

from mlx_gui.kinds.numbers import number


def language_part(config: Mapping[str, object]) -> dict[str, object]:
    """The config of the language model; one that also sees or hears nests it in text_config."""
    nested = config.get("text_config")
    return {**config, **cast(dict[str, object], nested)} if isinstance(nested, dict) else {**config}


def context_length(config: Mapping[str, object]) -> int | None:
    """Tokens that the model was trained for, or None when the config is silent."""
    part = language_part(config)
    names = ("max_position_embeddings", "n_positions", "max_sequence_length", "max_seq_len")
    return number(part, *names, "seq_length", "n_ctx") or None


def vocabulary_size(config: Mapping[str, object]) -> int | None:
    """Token ids that the model has logits for, or None when the config is silent."""
    return number(language_part(config), "vocab_size") or None


def activations_per_token(config: Mapping[str, object]) -> int:
    """Values that one layer holds for a token while a prompt is read."""
    part = language_part(config)
    return hidden_size(part) + 3 * _inner_size(part)


def encoded_values_per_token(config: Mapping[str, object]) -> int:
    """Values that there are of a token at once while an encoder reads a batch.

    Beside the attention's scores. Measured: the library's encoders keep no layer apart.
    """
    part = language_part(config)
    return 10 * hidden_size(part) + 4 * _inner_size(part)


def _inner_size(part: Mapping[str, object]) -> int:
    """Values of a token between the two products of a layer's network."""
    dense = number(part, "intermediate_size", "n_inner", "ffn_hidden_size")
    experts = number(part, "moe_intermediate_size") * number(part, "num_experts_per_tok")
    return max(dense, experts) or 4 * hidden_size(part)


def attended_values(config: Mapping[str, object]) -> int:
    """Values that one layer makes of each token of the context, beside its KV, to read a prompt.

    Latent attention unfolds the keys and values of every head.
    """
    part = language_part(config)
    if not number(part, "kv_lora_rank"):
        return 0
    return attention_heads(part) * (number(part, "qk_nope_head_dim") + number(part, "v_head_dim"))


def attention_heads(part: Mapping[str, object]) -> int:
    """Heads of one layer's queries; `part` is what `language_part` returns."""
    return number(part, "num_attention_heads", "num_query_heads", "n_heads", "n_head", "num_heads")


def head_size(part: Mapping[str, object]) -> int:
    """Values of a key of one head."""
    return number(part, "head_dim") or hidden_size(part) // max(attention_heads(part), 1)


def hidden_size(part: Mapping[str, object]) -> int:
    """Values that a token has between two layers."""
    return number(part, "hidden_size", "n_embd", "d_model", "model_dim", "hidden_dim", "dim")
