"""What the caches of each architecture hold, out of its config.json.

Follows `make_cache` of mlx-lm's model files: only the families named here have layers with a
window there, and all others keep every token whatever their config says of windows. Where a config
is unclear this counts too much rather than too little.
"""

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Literal, cast

from mlx_gui.core.model import KVLayout, SlidingWindow
from mlx_gui.kinds.architecture import attention_heads, head_size, hidden_size, language_part
from mlx_gui.kinds.numbers import number, total

Layer = Literal["full", "window", "state", "none"]

_BITS_16, _BITS_32 = 2, 4

_NAMED_WINDOWS = frozenset(
    (
        "afmoe", "exaone_moe", "gear", "gemma3n", "gemma3n_text", "gemma4", "gemma4_text",
        "gemma4_unified", "gpt_oss", "iquestcoder", "laguna", "llama", "mellum", "ministral3",
        "mistral", "muse_glimmer", "muse_spark", "muse_spark_text", "olmo3", "spark2_5",
        "step3p5", "xverse",
    )
)  # fmt: skip
"""Their `layer_types` are followed."""

_EVERY: Mapping[str, int] = MappingProxyType(
    {
        "cohere2": 4,
        "gemma3": 6,
        "gemma3_text": 6,
        "gemma4": 5,
        "gemma4_text": 5,
        "gpt_oss": 2,
        "llama4": 4,
        "llama4_text": 4,
        "muse_glimmer": 4,
        "olmo3": 4,
        "plamo3": 8,
        "spark2_5": 4,
        "step3p5": 2,
    }
)
"""Where the config does not say, every so-manieth layer keeps all tokens, the others a window."""

_COUNTED_ONLY = frozenset(("cohere2", "gemma3", "gemma3_text", "llama4", "llama4_text", "plamo3"))
"""They count layers even if the config names them."""

_PLAIN_WRAPPERS = frozenset(("llava", "mistral3"))
"""Around a text model with windows these give every layer a plain cache."""

_ALONE = frozenset(("deepseek_v41", "deepseek_v41_text", "llama4", "llama4_text"))
"""Their caches cannot be put together into a batch."""

_RECURRENT = frozenset(("falcon_mamba", "mamba", "mamba2", "rwkv7"))

_EXPANDED_LATENTS = frozenset(("deepseek_v2", "minicpm3", "youtu_llm"))
"""Families of latent attention whose caches hold the keys and values of every head all the same."""

_CHUNK_GROWTH_TOKENS = 256
_USUAL_WINDOW_TOKENS = 4096

_MOST_LAYERS = 4096
"""Lists are made of them, and a config may claim anything."""

_LAYER_NAMES: Mapping[str, Layer] = MappingProxyType(
    {
        "sliding_attention": "window",
        "chunked_attention": "window",
        "L": "window",
        "linear_attention": "state",
        "conv": "state",
        "mamba": "state",
        "recurrent": "state",
        "M": "state",
        "mlp": "none",
        "moe": "none",
        "-": "none",
        "E": "none",
    }
)
"""Any other name is one of attention to everything."""


def kv_layout(config: Mapping[str, object]) -> KVLayout:
    """What one sequence leaves in the caches of the model that `config` describes."""
    part = language_part(config)
    family = str(part.get("model_type"))
    layers = _layers(part, family)
    if str(config.get("model_type")) in _PLAIN_WRAPPERS:
        layers = ["full" if each == "window" else each for each in layers]
    full, windowed = layers.count("full"), layers.count("window")
    values, wide_values = _state(part, family)
    recurrent = layers.count("state")
    if family in ("falcon_h1", "baichuan_m1"):
        recurrent = len(layers)
    window = SlidingWindow(_window_tokens(part), _BITS_16 * windowed * _window_values(part, family))
    windows = (window,) if windowed else ()
    if family == "iquestloopcoder":
        loop_tokens = number(part, "loop_window_size") or 64
        windows = (SlidingWindow(loop_tokens, _BITS_16 * full * _full_values(part, family)),)
    return KVLayout(
        bytes_per_token=_BITS_16 * _all_full_values(part, family, full),
        windows=windows,
        state_bytes=_BITS_16 * recurrent * values,
        wide_state_bytes=_BITS_32 * recurrent * wide_values,
        layers=max(full + windowed + layers.count("state"), 1),
        batched=family not in _ALONE,
    )


# --- which layers there are ---------------------------------------------------------------------


def _layers(part: Mapping[str, object], family: str) -> list[Layer]:
    count = number(part, "num_hidden_layers", "n_layers", "n_layer", "num_layers")
    if family in ("longcat_flash", "longcat_flash_ngram"):
        count *= 2
    count *= number(part, "num_loops") or 1
    layers = _described(part, family, min(count, _MOST_LAYERS))
    # The last ones use what the layers before them have cached.
    return layers[: max(len(layers) - number(part, "num_kv_shared_layers"), 0)]


def _described(part: Mapping[str, object], family: str, count: int) -> list[Layer]:
    every = number(part, "sliding_window_pattern") or _EVERY.get(family, 0)
    if family in _RECURRENT:
        return ["state"] * count
    if family in _COUNTED_ONLY:
        return _every(every, count, "window")
    if (places := _places(part, "full_attn_idxs")) is not None:
        return ["full" if index in places else "state" for index in range(count)]
    if (places := _places(part, "sliding_window_layers")) is not None:
        return ["window" if index in places else "full" for index in range(count)]
    if names := _names(part):
        return [_named(names[index % len(names)], family) for index in range(count or len(names))]
    if places := _kda_places(part):
        return ["state" if index + 1 in places else "full" for index in range(count)]
    if group := number(part, "layer_group_size"):
        whole = count // group * group
        rest: list[Layer] = ["full"] * (count - whole)
        return _every(group, whole, "state") + rest
    if interval := number(part, "full_attention_interval"):
        return _every(interval, count, "state")
    if number(part, "linear_num_value_heads"):
        return _every(4, count, "state")
    if period := number(part, "attn_layer_period"):
        offset = part.get("attn_layer_offset")
        return ["full" if index % period == offset else "state" for index in range(count)]
    if family == "plamo2" and part.get("mamba_enabled", True):
        step = number(part, "mamba_step") or 2
        return ["full" if index % step == step // 2 else "state" for index in range(count)]
    return _every(every, count, "window") if family in _EVERY else ["full"] * count


def _every(step: int, count: int, others: Layer) -> list[Layer]:
    """Attention to everything in each `step`-th layer."""
    return ["full" if not step or (index + 1) % step == 0 else others for index in range(count)]


def _named(name: str, family: str) -> Layer:
    layer = _LAYER_NAMES.get(name, "full")
    if family == "recurrent_gemma" and layer == "full":
        return "window"
    follows = family in _NAMED_WINDOWS or family in ("exaone4", "mimo_v2_flash")
    return "full" if layer == "window" and not follows else layer


def _names(part: Mapping[str, object]) -> list[str]:
    """The layers' names, over and over again if there are fewer of them; empty if none are told."""
    for key in (
        "layers_block_type", "layer_types", "block_types", "_block_types", "hybrid_override_pattern"
    ):  # fmt: skip
        raw = part.get(key)
        if isinstance(raw, list | str) and raw:
            return [str(each) for each in cast(Sequence[object], raw)]
    pattern = part.get("sliding_window_pattern")
    if isinstance(pattern, str) and pattern:
        return ["L" if each == "L" else "full_attention" for each in pattern]
    if hybrid := part.get("hybrid_layer_pattern"):
        marks = cast(list[object], hybrid) if isinstance(hybrid, list) else []
        return ["L" if mark == 1 else "full_attention" for mark in marks]
    return []


def _places(part: Mapping[str, object], name: str) -> set[object] | None:
    raw = part.get(name)
    if not isinstance(raw, list):
        return None
    return {each for each in cast(list[object], raw) if isinstance(each, int)}


def _kda_places(part: Mapping[str, object]) -> set[object]:
    """Layers of Kimi's linear attention, counted from 1."""
    return _places(_nested(part, "linear_attn_config"), "kda_layers") or set()


# --- what a layer keeps -------------------------------------------------------------------------


def _all_full_values(part: Mapping[str, object], family: str, count: int) -> int:
    """Values that all layers with attention to everything keep of a token."""
    for name in ("num_key_value_heads", "num_kv_heads"):
        # One number for each layer.
        if isinstance(part.get(name), list) and (heads := total(part, name)):
            return 2 * heads * head_size(part)
    return count * _full_values(part, family)


def _full_values(part: Mapping[str, object], family: str) -> int:
    rope_dim, index_dim = number(part, "qk_rope_head_dim"), number(part, "index_head_dim")
    if latent_dim := number(part, "kv_lora_rank"):
        if family not in _EXPANDED_LATENTS:
            return latent_dim + rope_dim + 2 * index_dim
        nope_dim, value_dim = number(part, "qk_nope_head_dim"), number(part, "v_head_dim")
        return attention_heads(part) * (nope_dim + rope_dim + value_dim)
    heads = _kv_heads(part, family)
    key_dim = max(number(part, "global_head_dim"), head_size(part))
    if part.get("attention_k_eq_v"):
        heads = number(part, "num_global_key_value_heads") or heads
    value_dim = number(part, "v_head_dim") or key_dim
    return heads * (key_dim + value_dim) + (index_dim if family.startswith("minimax") else 0)


def _window_values(part: Mapping[str, object], family: str) -> int:
    heads = number(part, "swa_num_key_value_heads", "num_swa_key_value_heads")
    other = _nested(part, "attention_other_setting")
    heads = heads or number(other, "num_attention_groups") or _kv_heads(part, family)
    key_dim = number(part, "swa_head_dim") or head_size(part)
    return heads * (key_dim + (number(part, "swa_v_head_dim") or key_dim))


def _window_tokens(part: Mapping[str, object]) -> int:
    names = ("sliding_window", "sliding_window_size", "attention_window_size", "window_size")
    if chunk := number(part, "attention_chunk_size"):
        # Its cache is cut to a chunk before each step, and then grows by whole ones of its own.
        return chunk + _CHUNK_GROWTH_TOKENS
    return number(part, *names) or _USUAL_WINDOW_TOKENS


def _kv_heads(part: Mapping[str, object], family: str) -> int:
    if family == "gpt_bigcode" and part.get("multi_query", True):
        return 1
    all_heads = attention_heads(part)
    if shared := number(part, "n_shared_head"):
        return -(-all_heads // shared)
    names = ("num_key_value_heads", "num_kv_heads", "n_kv_heads", "num_attention_groups")
    in_attention = _nested(part, "attn_config")
    return number(part, *names) or number(in_attention, "kv_n_heads") or all_heads


def _state(part: Mapping[str, object], family: str) -> tuple[int, int]:
    """Values that a recurrent layer keeps of a sequence, and those that are always 32 bits wide."""
    hidden = hidden_size(part)
    if value_heads := number(part, "linear_num_value_heads"):
        key_dim, value_dim = (number(part, f"linear_{each}_head_dim") for each in ("key", "value"))
        width = 2 * number(part, "linear_num_key_heads") * key_dim + value_heads * value_dim
        return _tail(part, "linear_conv_kernel_dim") * width, value_heads * value_dim * key_dim
    if linear := _nested(part, "linear_attn_config"):
        heads, size = number(linear, "num_heads"), number(linear, "head_dim")
        return _tail(linear, "short_conv_kernel_size") * 3 * heads * size, heads * size * size
    if number(part, "layer_group_size"):
        heads, size = attention_heads(part), head_size(part)
        tail = _tail(part, "short_conv_kernel_size") if "short_conv_kernel_size" in part else 0
        return tail * 3 * heads * size, heads * size * size
    if kept := number(part, "conv_L_cache"):
        width = 2 * _kv_heads(part, family) * head_size(part) if family == "gear" else hidden
        return (kept - 1) * width, 0
    if family == "rwkv7":
        return 2 * hidden, hidden * (number(part, "head_dim") or 64)
    if family == "recurrent_gemma":
        width = number(part, "lru_width") or hidden
        return _tail(part, "conv1d_width") * width, width
    if family == "baichuan_m1":
        return 2 * _kv_heads(part, family) * head_size(part), 0
    return _ssm_state(part)


def _ssm_state(part: Mapping[str, object]) -> tuple[int, int]:
    """The same for a state space layer: Mamba's first form, or its second, which has heads."""
    state_size = number(part, "ssm_state_size", "mamba_d_state", "state_size", "d_state")
    tail = _tail(part, "conv_kernel", "mamba_d_conv", "d_conv")
    heads = number(part, "mamba_num_heads", "mamba_n_heads", "num_heads")
    size = number(part, "mamba_head_dim", "mamba_d_head", "hidden_size_per_head", "head_dim")
    if heads:
        inner = heads * size
        groups = number(part, "n_groups", "mamba_n_groups")
        return tail * (inner + 2 * groups * state_size), inner * state_size
    expanded = number(part, "mamba_expand") * hidden_size(part)
    inner = expanded or number(part, "intermediate_size", "d_inner")
    return tail * inner, inner * state_size


def _tail(part: Mapping[str, object], *names: str) -> int:
    """Tokens before the next one that a convolution looks back to."""
    return (number(part, *names) or 4) - 1


def _nested(part: Mapping[str, object], name: str) -> Mapping[str, object]:
    raw = part.get(name)
    return cast(Mapping[str, object], raw) if isinstance(raw, dict) else {}
