"""Model folders whose headers are real and whose weights are zeros."""

import json
import math
import struct
from collections.abc import Mapping
from pathlib import Path

BITS = {"F32": 32, "U32": 32, "F16": 16, "BF16": 16, "U8": 8}
LLAMA: dict[str, object] = {
    "model_type": "llama",
    "hidden_size": 64,
    "intermediate_size": 128,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "max_position_embeddings": 4096,
}
DENSE = {"model.embed_tokens.weight": ("BF16", (100, 64)), "model.norm.weight": ("BF16", (64,))}
PACKED = {
    "model.embed_tokens.weight": ("U32", (100, 16)),
    "model.embed_tokens.scales": ("F16", (100, 2)),
    "model.embed_tokens.biases": ("F16", (100, 2)),
    "lm_head.weight": ("U32", (100, 8)),
    "lm_head.scales": ("F16", (100, 2)),
    "lm_head.biases": ("F16", (100, 2)),
    "model.norm.weight": ("F16", (64,)),
}
"""An embedding of 8 bits, a head of 4, both in groups of 32 over 64 columns."""

Tensors = Mapping[str, tuple[str, tuple[int, ...]]]


def write_safetensors(path: Path, tensors: Tensors = DENSE) -> Path:
    """A safetensors file of zeros."""
    header: dict[str, object] = {"__metadata__": {"format": "mlx"}}
    end = 0
    for name, (dtype, shape) in tensors.items():
        start, end = end, end + math.prod(shape) * BITS[dtype] // 8
        header[name] = {"dtype": dtype, "shape": shape, "data_offsets": [start, end]}
    return write_raw_header(path, json.dumps(header).encode(), data_bytes=end)


def write_raw_header(path: Path, header: bytes, *, data_bytes: int = 0) -> Path:
    """A file that claims to be safetensors."""
    with path.open("wb") as file:
        file.write(struct.pack("<Q", len(header)) + header)
        file.truncate(8 + len(header) + data_bytes)
    return path


def write_model(
    folder: Path, *, config: Mapping[str, object] = LLAMA, tensors: Tensors = DENSE
) -> Path:
    """A complete model folder."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "config.json").write_text(json.dumps(config), encoding="utf-8")
    write_safetensors(folder / "model.safetensors", tensors)
    (folder / "tokenizer.json").write_text("{}", encoding="utf-8")
    (folder / "chat_template.jinja").write_text("{{ messages }}", encoding="utf-8")
    return folder


def write_adapter(folder: Path, *, config: Mapping[str, object] | None = None) -> Path:
    """A complete adapter folder; `config` is merged into that of a LoRA."""
    folder.mkdir(parents=True, exist_ok=True)
    whole = {
        "fine_tune_type": "lora",
        "num_layers": 2,
        "lora_parameters": {"rank": 8, "scale": 20.0, "dropout": 0.0},
        **(config or {}),
    }
    (folder / "adapter_config.json").write_text(json.dumps(whole), encoding="utf-8")
    tensors = {"model.layers.0.self_attn.q_proj.lora_a": ("BF16", (64, 8))}
    write_safetensors(folder / "adapters.safetensors", tensors)
    return folder
