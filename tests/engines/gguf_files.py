"""GGUF files, written from the folder of a tiny model."""

import json
import struct
from pathlib import Path
from typing import Any

TYPE_NUMBERS = {
    "F32": 0, "F16": 1, "Q4_0": 2, "Q4_1": 3, "Q5_0": 6, "Q5_1": 7, "Q8_0": 8, "Q8_1": 9,
    "Q2_K": 10, "Q3_K": 11, "Q4_K": 12, "Q5_K": 13, "Q6_K": 14, "IQ4_NL": 20, "IQ4_XS": 23,
    "IQ2_XXS": 16, "IQ2_XS": 17, "IQ3_XXS": 18, "IQ1_S": 19, "IQ3_S": 21, "IQ2_S": 22, "IQ1_M": 29,
    "BF16": 30,
}  # fmt: skip
ALIGNMENT = 32

Tensors = dict[str, tuple[tuple[int, ...], str, bytes]]
"""By GGUF name: shape with the fastest dimension last, type, and data."""


def write_gguf(file: Path, metadata: dict[str, Any], tensors: Tensors) -> None:
    """A GGUF file of version 3."""
    head = b"GGUF" + struct.pack("<IQQ", 3, len(tensors), len(metadata))
    for key, value in metadata.items():
        head += packed_string(key) + packed(value)
    data = b""
    for name, (shape, type_name, content) in tensors.items():
        head += packed_string(name) + struct.pack("<I", len(shape))
        head += struct.pack(f"<{len(shape)}Q", *reversed(shape))
        head += struct.pack("<IQ", TYPE_NUMBERS[type_name], len(data))
        data += content + bytes(-len(content) % ALIGNMENT)
    file.write_bytes(head + bytes(-len(head) % ALIGNMENT) + data)


def packed_string(text: str) -> bytes:
    return struct.pack("<Q", len(text.encode())) + text.encode()


def packed(value: Any) -> bytes:
    """A metadata value with its type before it."""
    match value:
        case bool():
            return struct.pack("<I?", 7, value)
        case int():
            return struct.pack("<II", 4, value)
        case float():
            return struct.pack("<If", 6, value)
        case str():
            return struct.pack("<I", 8) + packed_string(value)
        case [*items]:
            items = [packed(item) for item in items]
            kind = items[0][:4]
            return (
                struct.pack("<I", 9)
                + kind
                + struct.pack("<Q", len(items))
                + b"".join(item[4:] for item in items)
            )
        case _:
            raise TypeError(type(value))


def blocks(type_name: str, rows: Any) -> bytes:
    """`rows`, a float32 numpy array, in the blocks of 32 that GGUF defines."""
    import numpy as np

    if type_name in ("F32", "F16"):
        return rows.astype(np.float32 if type_name == "F32" else np.float16).tobytes()
    values = rows.reshape(-1, 32)
    if type_name == "Q8_0":
        scale = (np.abs(values).max(1, keepdims=True) / 127).astype(np.float16)
        whole = np.rint(values / np.maximum(scale, 1e-8)).astype(np.int8)
        return np.concatenate([scale.view(np.uint8), whole.view(np.uint8)], 1).tobytes()
    if type_name == "Q4_0":
        scale = (np.abs(values).max(1, keepdims=True) / 7).astype(np.float16)
        offset, head = -8 * scale, [scale]
    else:
        low = values.min(1, keepdims=True).astype(np.float16)
        scale = ((values.max(1, keepdims=True) - low) / 15).astype(np.float16)
        offset, head = low, [scale, low]
    whole = np.clip(np.rint((values - offset) / np.maximum(scale, 1e-8)), 0, 15).astype(np.uint8)
    nibbles = whole[:, :16] | (whole[:, 16:] << 4)
    return np.concatenate([*(part.view(np.uint8) for part in head), nibbles], 1).tobytes()


MLX_TO_GGUF = {
    "model.embed_tokens": "token_embd",
    "model.norm": "output_norm",
    "lm_head": "output",
    "self_attn.q_proj": "attn_q",
    "self_attn.k_proj": "attn_k",
    "self_attn.v_proj": "attn_v",
    "self_attn.o_proj": "attn_output",
    "self_attn.q_norm": "attn_q_norm",
    "self_attn.k_norm": "attn_k_norm",
    "input_layernorm": "attn_norm",
    "mlp.gate_proj": "ffn_gate",
    "mlp.up_proj": "ffn_up",
    "mlp.down_proj": "ffn_down",
    "post_attention_layernorm": "ffn_norm",
    "model.layers.": "blk.",
}


def source_tensors(folder: Path, type_name: str) -> Tensors:
    """In the child: the weights of `folder` under GGUF's names, matrices in `type_name`."""
    import mlx.core as mx
    import numpy as np

    heads = json.loads((folder / "config.json").read_text())
    counts = {"attn_q": heads["num_attention_heads"], "attn_k": heads["num_key_value_heads"]}
    if heads["model_type"] != "llama":
        counts = {}
    tensors: Tensors = {}
    for name, array in mx.load(str(folder / "model.safetensors")).items():
        rows = np.array(array.astype(mx.float32))
        for ours, theirs in MLX_TO_GGUF.items():
            name = name.replace(ours, theirs)
        if count := counts.get(name.split(".")[-2]):
            rows = rows.reshape(count, 2, -1, rows.shape[1]).swapaxes(1, 2).reshape(rows.shape)
        kind = type_name if rows.ndim == 2 else "F32"
        tensors[name] = (rows.shape, kind, blocks(kind, rows))
    return tensors


def source_metadata(folder: Path) -> dict[str, Any]:
    config = json.loads((folder / "config.json").read_text())
    tokenizer = json.loads((folder / "tokenizer.json").read_text())
    tokenizer_config = json.loads((folder / "tokenizer_config.json").read_text())
    vocabulary: dict[str, int] = dict(tokenizer["model"]["vocab"])
    special = {token["content"]: token["id"] for token in tokenizer["added_tokens"]}
    tokens = sorted(vocabulary | special, key=lambda token: (vocabulary | special)[token])
    said = {
        "embedding_length": config["hidden_size"],
        "block_count": config["num_hidden_layers"],
        "feed_forward_length": config["intermediate_size"],
        "attention.head_count": config["num_attention_heads"],
        "attention.head_count_kv": config["num_key_value_heads"],
        "attention.layer_norm_rms_epsilon": config["rms_norm_eps"],
        "rope.freq_base": float(config["rope_theta"]),
        "context_length": config["max_position_embeddings"],
    }
    architecture = config["model_type"]
    if architecture == "qwen3":
        said["attention.key_length"] = config["head_dim"]
    return {
        "general.architecture": architecture,
        **{f"{architecture}.{name}": value for name, value in said.items()},
        "tokenizer.ggml.model": "gpt2",
        "tokenizer.ggml.pre": "smollm" if architecture == "llama" else "qwen2",
        "tokenizer.ggml.tokens": tokens,
        "tokenizer.ggml.token_type": [3 if token in special else 1 for token in tokens],
        "tokenizer.ggml.merges": [
            merge if isinstance(merge, str) else " ".join(merge)
            for merge in tokenizer["model"]["merges"]
        ],
        "tokenizer.ggml.bos_token_id": config["bos_token_id"],
        "tokenizer.ggml.eos_token_id": config["eos_token_id"],
        "tokenizer.chat_template": _template(folder, tokenizer_config),
    }


def _template(folder: Path, tokenizer_config: dict[str, Any]) -> str:
    beside = folder / "chat_template.jinja"
    return beside.read_text() if beside.exists() else tokenizer_config["chat_template"]


GEMMA_NAMES = {
    "post_attention_layernorm": "post_attention_norm",
    "pre_feedforward_layernorm": "ffn_norm",
    "post_feedforward_layernorm": "post_ffw_norm",
}


def gemma_tensors(folder: Path) -> Tensors:
    """In the child: the weights of `folder` in BF16, the norms with one more."""
    import mlx.core as mx
    import numpy as np

    from tests.engines.gguf_blocks import encoded

    tensors: Tensors = {}
    for name, array in mx.load(str(folder / "model.safetensors")).items():
        rows = np.array(array.astype(mx.float32))
        for ours, theirs in {**MLX_TO_GGUF, **GEMMA_NAMES}.items():
            name = name.replace(ours, theirs)
        kind, rows = ("BF16", rows) if rows.ndim == 2 else ("F32", rows + 1)
        tensors[name] = (rows.shape, kind, encoded(kind, rows).content)
    return tensors


def sentencepiece_metadata(folder: Path) -> dict[str, Any]:
    """A Gemma's, with a score for each token: the later it is merged, the lower."""
    config = json.loads((folder / "config.json").read_text())
    tokenizer = json.loads((folder / "tokenizer.json").read_text())
    special = {token["content"]: token["id"] for token in tokenizer["added_tokens"]}
    ids: dict[str, int] = tokenizer["model"]["vocab"] | special
    merges = ["".join(merge) for merge in tokenizer["model"]["merges"]]
    scores = {piece: -float(rank) for rank, piece in reversed(list(enumerate(merges)))}
    tokens = sorted(ids, key=lambda token: ids[token])

    def kind(token: str) -> int:
        if token in special:
            return 2 if token == "<unk>" else 3
        return 6 if token.startswith("<0x") else 1

    said = {
        "embedding_length": config["hidden_size"],
        "block_count": config["num_hidden_layers"],
        "feed_forward_length": config["intermediate_size"],
        "attention.head_count": config["num_attention_heads"],
        "attention.head_count_kv": config["num_key_value_heads"],
        "attention.key_length": config["head_dim"],
        "attention.layer_norm_rms_epsilon": config["rms_norm_eps"],
        "attention.sliding_window": config["sliding_window"],
        "rope.freq_base": float(config["rope_theta"]),
        "context_length": config["max_position_embeddings"],
    }
    return {
        "general.architecture": "gemma3",
        **{f"gemma3.{name}": value for name, value in said.items()},
        "tokenizer.ggml.model": "llama",
        "tokenizer.ggml.pre": "default",
        "tokenizer.ggml.tokens": tokens,
        "tokenizer.ggml.scores": [scores.get(token, -1e4) for token in tokens],
        "tokenizer.ggml.token_type": [kind(token) for token in tokens],
        "tokenizer.ggml.add_space_prefix": False,
        "tokenizer.ggml.bos_token_id": config["bos_token_id"],
        "tokenizer.ggml.eos_token_id": config["eos_token_id"][0],
        "tokenizer.ggml.padding_token_id": config["pad_token_id"],
        "tokenizer.chat_template": (folder / "chat_template.jinja").read_text(),
    }
