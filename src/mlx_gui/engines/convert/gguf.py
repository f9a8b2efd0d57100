"""A GGUF file becomes an MLX folder, bit for bit where the quantisation allows it.

Read are the architectures of `FORMS` in F32, F16, BF16, Q4_0, Q4_1 and Q8_0 with a byte-level BPE
tokenizer: MLX takes the quantised blocks over as its own affine groups of 32, so nothing is
quantised twice.
"""

import json
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import mlx.core as mx

from mlx_gui.core.errors import LoadFailed, ModelUnsupported
from mlx_gui.engines.convert.gguf_header import GgufHeader, needed, read_header
from mlx_gui.engines.convert.gguf_tokenizer import check_tokenizer, tokenizer_of

ConvertReport = Callable[[str, int, int], None]
"""Called with stage, bytes done and bytes in all."""

_GROUP_SIZE = 32
_BITS = {"Q4_0": 4, "Q4_1": 4, "Q8_0": 8}
_KEPT_TYPES = {"F32", "F16", "BF16", *_BITS}

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


@dataclass(frozen=True, slots=True)
class Form:
    """What an architecture is called here, and how its tensors differ from those of a llama.

    `interleaved` says that GGUF has each head's two halves of queries and keys interleaved.
    """

    model_type: str
    class_name: str
    interleaved: bool = False
    more_names: Mapping[str, str] = field(default_factory=dict[str, str])


FORMS: Mapping[str, Form] = {
    "llama": Form("llama", "LlamaForCausalLM", interleaved=True),
    "qwen2": Form("qwen2", "Qwen2ForCausalLM"),
    "qwen3": Form(
        "qwen3",
        "Qwen3ForCausalLM",
        more_names={"attn_q_norm": "self_attn.q_norm", "attn_k_norm": "self_attn.k_norm"},
    ),
}
"""By the names that GGUF has for them."""


def convert(source: Path, out: Path, report: ConvertReport) -> None:
    """Write the MLX folder of `source` into `out`, which a caller renames once this returns.

    Raises ModelUnsupported naming what cannot be taken over, LoadFailed for a broken file.
    """
    header = read_header(source)
    _check(header)
    out.mkdir(parents=True, exist_ok=True)
    total_bytes = source.stat().st_size
    report("weights", 0, total_bytes)
    mx.save_safetensors(
        str(out / "model.safetensors"), _weights(source, header), metadata={"format": "mlx"}
    )
    report("tokenizer", total_bytes, total_bytes)
    tokenizer_of(header).save(str(out / "tokenizer.json"))
    for name, content in (
        ("config.json", _config(header)),
        ("generation_config.json", _special_ids(header)),
        ("tokenizer_config.json", _tokenizer_config(header)),
    ):
        (out / name).write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")
    template = header.metadata.get("tokenizer.chat_template")
    if isinstance(template, str):
        (out / "chat_template.jinja").write_text(template, encoding="utf-8")


def _check(header: GgufHeader) -> None:
    form = _form(header)
    for tensor in header.tensors:
        if tensor.type_name not in _KEPT_TYPES:
            raise ModelUnsupported(
                f"The tensor {tensor.name} is stored as {tensor.type_name}, which cannot be read.",
                hint=f"Take a file in one of {', '.join(sorted(_KEPT_TYPES))}.",
            )
        _mlx_name(tensor.name, form)
    check_tokenizer(header)


def _form(header: GgufHeader) -> Form:
    architecture = header.metadata.get("general.architecture")
    if not isinstance(architecture, str) or architecture not in FORMS:
        raise ModelUnsupported(
            f"GGUF files of the architecture {architecture} cannot be read yet.",
            hint=f"Those of {', '.join(FORMS)} can; others have repos in MLX's own form.",
        )
    return FORMS[architecture]


def _of_architecture(header: GgufHeader, name: str) -> Any:
    return needed(header, f"{header.metadata['general.architecture']}.{name}")


def _maybe(header: GgufHeader, name: str) -> Any:
    return header.metadata.get(f"{header.metadata['general.architecture']}.{name}")


def _weights(source: Path, header: GgufHeader) -> dict[str, mx.array]:
    try:
        tensors: dict[str, mx.array] = mx.load(str(source))  # pyright: ignore[reportAssignmentType]
    except RuntimeError as error:
        raise LoadFailed(f"{source.name} is not a readable GGUF file: {error}") from error
    form = _form(header)
    heads = {
        "attn_q": int(_of_architecture(header, "attention.head_count")),
        "attn_k": int(_of_architecture(header, "attention.head_count_kv")),
    }
    weights: dict[str, mx.array] = {}
    for name, tensor in tensors.items():
        part = name.split(".")[-2]
        if form.interleaved and part in heads:
            tensor = _uninterleaved(tensor, heads[part])
        if tensor.dtype == mx.float32:
            # Norms come as float32; left so, they would make every activation float32 on a GPU.
            tensor = tensor.astype(mx.float16)
        weights[_mlx_name(name, form)] = tensor
    return weights


def _uninterleaved(rows: mx.array, heads: int) -> mx.array:
    """Query or key rows as transformers orders them; GGUF interleaves each head's two halves.

    Works on packed rows and their scales alike, because only whole rows move.
    """
    split = rows.reshape(heads, rows.shape[0] // heads // 2, 2, *rows.shape[1:])
    return split.swapaxes(1, 2).reshape(rows.shape)


def _mlx_name(name: str, form: Form) -> str:
    layer_names = {**_LAYER_NAMES, **form.more_names}
    match name.split("."):
        case ["blk", layer, part, suffix] if part in layer_names:
            return f"model.layers.{layer}.{layer_names[part]}.{suffix}"
        case [part, suffix] if part in _GLOBAL_NAMES:
            return f"{_GLOBAL_NAMES[part]}.{suffix}"
        case _:
            raise ModelUnsupported(f"The tensor {name} has no place in a {form.model_type} model.")


def _config(header: GgufHeader) -> dict[str, Any]:
    def said(name: str) -> Any:
        return _of_architecture(header, name)

    form, head_dim = _form(header), _maybe(header, "attention.key_length")
    config: dict[str, Any] = {
        "architectures": [form.class_name],
        "model_type": form.model_type,
        "hidden_size": said("embedding_length"),
        "num_hidden_layers": said("block_count"),
        "intermediate_size": said("feed_forward_length"),
        "num_attention_heads": said("attention.head_count"),
        "num_key_value_heads": said("attention.head_count_kv"),
        # float32 in the file: six digits give back the number that was meant.
        "rms_norm_eps": float(f"{said('attention.layer_norm_rms_epsilon'):.6g}"),
        "rope_theta": _maybe(header, "rope.freq_base") or 10_000.0,
        "max_position_embeddings": said("context_length"),
        "vocab_size": len(needed(header, "tokenizer.ggml.tokens")),
        "tie_word_embeddings": all(tensor.name != "output.weight" for tensor in header.tensors),
        "dtype": "float16",
        **_special_ids(header),
    }
    if head_dim is not None:
        config["head_dim"] = head_dim
    if quantization := _quantization(header, form):
        config["quantization"] = config["quantization_config"] = quantization
    return config


def _quantization(header: GgufHeader, form: Form) -> dict[str, Any] | None:
    """The commonest bits for all, and an entry for each module that differs."""
    bits = {
        _mlx_name(tensor.name, form).removesuffix(".weight"): _BITS[tensor.type_name]
        for tensor in header.tensors
        if tensor.type_name in _BITS
    }
    if not bits:
        return None
    common = Counter(bits.values()).most_common(1)[0][0]
    others = {
        module: {"group_size": _GROUP_SIZE, "bits": width}
        for module, width in bits.items()
        if width != common
    }
    return {"group_size": _GROUP_SIZE, "bits": common, **others}


def _special_ids(header: GgufHeader) -> dict[str, Any]:
    names = {"bos": "bos", "eos": "eos", "pad": "padding"}
    ids = {
        f"{name}_token_id": header.metadata.get(f"tokenizer.ggml.{key}_token_id")
        for name, key in names.items()
    }
    return {name: value for name, value in ids.items() if value is not None}


def _tokenizer_config(header: GgufHeader) -> dict[str, Any]:
    tokens = needed(header, "tokenizer.ggml.tokens")
    special = {
        name.removesuffix("_id"): tokens[index] for name, index in _special_ids(header).items()
    }
    return {
        "tokenizer_class": "PreTrainedTokenizerFast",
        "model_max_length": _of_architecture(header, "context_length"),
        "clean_up_tokenization_spaces": False,
        **special,
    }
