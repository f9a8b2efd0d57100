"""The architectures of GGUF files that are read, and how they are called and built here."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from mlx_gui.core.errors import ModelUnsupported, NotServable
from mlx_gui.engines.convert.gguf_facts import Facts
from mlx_gui.engines.convert.gguf_rope import LLAMA_TABLE, PHI_TABLES, phi_rope_of, rope_of

_GLOBAL_NAMES = {
    "token_embd": "model.embed_tokens",
    "output_norm": "model.norm",
    "output": "lm_head",
}
_LAYER_NAMES = {
    "attn_q": "self_attn.q_proj",
    "attn_k": "self_attn.k_proj",
    "attn_v": "self_attn.v_proj",
    "attn_output": "self_attn.o_proj",
    "attn_norm": "input_layernorm",
    "ffn_gate": "mlp.gate_proj",
    "ffn_up": "mlp.up_proj",
    "ffn_down": "mlp.down_proj",
    "ffn_norm": "post_attention_layernorm",
}


def _nothing_more(facts: Facts) -> dict[str, Any]:
    return {}


@dataclass(frozen=True, slots=True)
class Form:
    """What an architecture is called here, and how its tensors differ from those of a llama.

    `interleaved` says that GGUF has each head's two halves of queries and keys interleaved,
    `plus_one` that its norms have one more. `dtype` is that of everything that is not packed.
    `tables` are tensors that are no weights. `rope` and `more_config` say what config.json has of
    positions and besides.
    """

    model_type: str
    class_name: str
    interleaved: bool = False
    plus_one: bool = False
    dtype: Literal["float16", "bfloat16"] = "float16"
    more_names: Mapping[str, str] = field(default_factory=dict[str, str])
    tables: tuple[str, ...] = ()
    rope: Callable[[Facts, int], dict[str, Any]] = rope_of
    more_config: Callable[[Facts], dict[str, Any]] = _nothing_more

    def name_of(self, tensor: str) -> str:
        """What the tensor is called here. Raises ModelUnsupported for one that has no place."""
        layer_names = {**_LAYER_NAMES, **self.more_names}
        match tensor.split("."):
            case ["blk", layer, part, "weight" | "bias" as suffix] if part in layer_names:
                return f"model.layers.{layer}.{layer_names[part]}.{suffix}"
            case [part, "weight" | "bias" as suffix] if part in _GLOBAL_NAMES:
                return f"{_GLOBAL_NAMES[part]}.{suffix}"
            case _:
                raise ModelUnsupported(
                    f"The tensor {tensor} has no place in a {self.model_type} model.",
                    hint="The model has a repo in MLX's own form, or none that can be served.",
                )


_GEMMA_3_PATTERN = 6
"""Every sixth layer sees all of the text; llama.cpp knows that, its files do not say it."""
_GEMMA_3_27B_LAYERS = 62
"""The one size that scales its queries by another size than that of a head."""


def _gemma3(facts: Facts) -> dict[str, Any]:
    head_dim = facts.count_or("attention.key_length", 256)
    if facts.count("block_count") == _GEMMA_3_27B_LAYERS:
        scale = facts.count("embedding_length") // facts.count("attention.head_count")
    else:
        scale = head_dim
    return {
        "head_dim": head_dim,
        "query_pre_attn_scalar": scale,
        "rope_theta": facts.number_or("rope.freq_base", 1_000_000.0),
        "rope_local_base_freq": facts.number_or("rope.freq_base_swa", 10_000.0),
        "sliding_window": facts.count("attention.sliding_window"),
        "sliding_window_pattern": facts.count_or(
            "attention.sliding_window_pattern", _GEMMA_3_PATTERN
        ),
    }


def _qwen3_moe(facts: Facts) -> dict[str, Any]:
    experts, used = facts.count("expert_count"), facts.count("expert_used_count")
    if used > experts:
        raise NotServable(
            f"The GGUF file has {experts} experts, and asks {used} of them.",
            hint="Fetch the file again; it may be damaged.",
        )
    return {
        "num_experts": experts,
        "num_experts_per_tok": used,
        "moe_intermediate_size": facts.count("expert_feed_forward_length"),
        "decoder_sparse_step": 1,
        "mlp_only_layers": [],
        "norm_topk_prob": True,
    }


_QK_NORMS = {"attn_q_norm": "self_attn.q_norm", "attn_k_norm": "self_attn.k_norm"}
FORMS: Mapping[str, Form] = {
    "llama": Form("llama", "LlamaForCausalLM", interleaved=True, tables=(LLAMA_TABLE,)),
    "qwen2": Form("qwen2", "Qwen2ForCausalLM"),
    "qwen3": Form("qwen3", "Qwen3ForCausalLM", more_names=_QK_NORMS),
    "qwen3moe": Form(
        "qwen3_moe",
        "Qwen3MoeForCausalLM",
        more_names={
            **_QK_NORMS,
            "ffn_gate_inp": "mlp.gate",
            "ffn_gate_exps": "mlp.switch_mlp.gate_proj",
            "ffn_up_exps": "mlp.switch_mlp.up_proj",
            "ffn_down_exps": "mlp.switch_mlp.down_proj",
        },
        more_config=_qwen3_moe,
    ),
    "phi3": Form(
        "phi3",
        "Phi3ForCausalLM",
        more_names={"attn_qkv": "self_attn.qkv_proj", "ffn_up": "mlp.gate_up_proj"},
        tables=PHI_TABLES,
        rope=phi_rope_of,
    ),
    "gemma3": Form(
        "gemma3_text",
        "Gemma3ForCausalLM",
        plus_one=True,
        # What its layers add up exceeds float16.
        dtype="bfloat16",
        more_names={
            **_QK_NORMS,
            "post_attention_norm": "post_attention_layernorm",
            "ffn_norm": "pre_feedforward_layernorm",
            "post_ffw_norm": "post_feedforward_layernorm",
        },
        more_config=_gemma3,
    ),
}
"""By the names that GGUF has for them."""


def form_of(facts: Facts) -> Form:
    """Raises ModelUnsupported for an architecture that is not read, and for parts of a model."""
    if facts.architecture not in FORMS:
        raise ModelUnsupported(
            f"GGUF files of the architecture {facts.architecture} cannot be read yet.",
            hint=f"Those of {', '.join(FORMS)} can; others have repos in MLX's own form.",
        )
    parts = facts.header.metadata.get("split.count")
    if isinstance(parts, int) and parts > 1:
        raise ModelUnsupported(
            f"This GGUF file is one of {parts} parts of a model.",
            hint="Make one file of them with llama-gguf-split --merge, and import that.",
        )
    return FORMS[facts.architecture]


def config_of(facts: Facts, form: Form) -> dict[str, Any]:
    """What config.json says, but for the vocabulary and the quantization."""
    hidden, heads = facts.count("embedding_length"), facts.count("attention.head_count")
    head_dim = facts.count_or("attention.key_length", 0)
    layers = facts.count("block_count")
    if layers > len(facts.header.tensors):
        raise NotServable(
            f"The GGUF file has {layers} layers, and {len(facts.header.tensors)} tensors.",
            hint="Fetch the file again; it may be damaged.",
        )
    config: dict[str, Any] = {
        "architectures": [form.class_name],
        "model_type": form.model_type,
        "hidden_size": hidden,
        "num_hidden_layers": layers,
        "intermediate_size": facts.count("feed_forward_length"),
        "num_attention_heads": heads,
        "num_key_value_heads": facts.count("attention.head_count_kv"),
        "rms_norm_eps": facts.number("attention.layer_norm_rms_epsilon"),
        "rope_theta": facts.number_or("rope.freq_base", 10_000.0),
        "max_position_embeddings": facts.count("context_length"),
        "tie_word_embeddings": not facts.has("output.weight"),
        "dtype": dtype_of(facts, form),
    }
    if head_dim:
        config["head_dim"] = head_dim
    return config | form.rope(facts, head_dim or hidden // heads) | form.more_config(facts)


def dtype_of(facts: Facts, form: Form) -> Literal["float16", "bfloat16"]:
    """Of what is not packed: what the file has, where it has anything that float16 cannot hold."""
    kinds = {tensor.type_name for tensor in facts.header.tensors}
    return "bfloat16" if "BF16" in kinds else form.dtype
