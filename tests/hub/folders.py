"""Folders of models that are small, with all that a hub reads out of them."""

import json
import struct
from collections.abc import Mapping
from pathlib import Path
from typing import Any

_BYTES = {"U32": 4, "F16": 2, "BF16": 2, "F32": 4}
CONFIG = {
    "architectures": ["LlamaForCausalLM"],
    "model_type": "llama",
    "hidden_size": 64,
    "intermediate_size": 128,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "max_position_embeddings": 131_072,
    "vocab_size": 256,
}


def model_folder(
    folder: Path,
    *,
    config: Mapping[str, Any] | None = None,
    tensors: Mapping[str, tuple[str, tuple[int, ...]]] | None = None,
    files: Mapping[str, str] | None = None,
    bits: int | None = None,
) -> Path:
    """A folder of a text model; with `bits` one that is quantized in groups of 64.

    `tensors` are by name: type and shape. `files` are others, by path.
    """
    said = {**CONFIG, **(config or {})}
    if tensors is None:
        tensors = {"model.norm.weight": ("BF16", (64,)), "lm_head.weight": ("BF16", (256, 64))}
    if bits is not None:
        said["quantization"] = said["quantization_config"] = {"group_size": 64, "bits": bits}
        tensors = {
            "model.norm.weight": ("BF16", (64,)),
            "lm_head.weight": ("U32", (256, 64 * bits // 32)),
            "lm_head.scales": ("BF16", (256, 1)),
            "lm_head.biases": ("BF16", (256, 1)),
        }
    folder.mkdir(parents=True)
    (folder / "config.json").write_text(json.dumps(said))
    (folder / "tokenizer.json").write_text("{}")
    (folder / "model.safetensors").write_bytes(safetensors(tensors))
    for name, text in (files or {}).items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return folder


def safetensors(tensors: Mapping[str, tuple[str, tuple[int, ...]]]) -> bytes:
    """A file with these tensors, all zeros."""
    header: dict[str, Any] = {}
    end = 0
    for name, (dtype, shape) in tensors.items():
        size = _BYTES[dtype]
        for each in shape:
            size *= each
        header[name] = {"dtype": dtype, "shape": list(shape), "data_offsets": [end, end + size]}
        end += size
    written = json.dumps(header).encode()
    return struct.pack("<Q", len(written)) + written + bytes(end)
