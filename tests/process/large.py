"""A model that takes much memory and little time: its vocabulary is enormous and all zeros."""

import json
import struct
from pathlib import Path
from typing import Any

from tests.zoo.cache import checkpoint

VOCABULARY = 1_500_000
_HIDDEN = ("model.embed_tokens.weight", "lm_head.weight")


def large_checkpoint(folder: Path) -> Path:
    """`folder`, in which Qwen3-tiny lies with an embedding of many rows; the file is sparse."""
    source = checkpoint("Qwen3-tiny")
    folder.mkdir(parents=True)
    for file in source.iterdir():
        if file.suffix != ".safetensors":
            (folder / file.name).symlink_to(file)
    config = json.loads((source / "config.json").read_text())
    (folder / "config.json").unlink()
    (folder / "config.json").write_text(json.dumps({**config, "vocab_size": VOCABULARY}))
    _write_weights(source / "model.safetensors", folder / "model.safetensors")
    return folder


def _write_weights(source: Path, target: Path) -> None:
    content = source.read_bytes()
    (length,) = struct.unpack_from("<Q", content)
    header: dict[str, Any] = json.loads(content[8 : 8 + length])
    metadata = header.pop("__metadata__", {})
    pieces: list[tuple[int, bytes]] = []
    end = 0
    for name, tensor in header.items():
        first, last = tensor["data_offsets"]
        data = content[8 + length + first : 8 + length + last]
        size = len(data)
        if name in _HIDDEN:
            rows, width = tensor["shape"]
            size = VOCABULARY * (size // rows)
            tensor["shape"], data = [VOCABULARY, width], b""
        tensor["data_offsets"] = [end, end + size]
        pieces.append((end, data))
        end += size
    encoded = json.dumps({"__metadata__": metadata, **header}).encode()
    encoded += b" " * (-len(encoded) % 8)
    with target.open("wb") as file:
        file.write(struct.pack("<Q", len(encoded)) + encoded)
        start = file.tell()
        for position, data in pieces:
            file.seek(start + position)
            file.write(data)
        file.truncate(start + end)
