"""GGUF files become MLX folders that answer as the model they were written from.

The GGUF files are written here, from a tiny trained model whose answers are known.
"""

import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from mlx_gui.core.errors import MlxGuiError, ModelUnsupported, NotServable
from mlx_gui.core.generation import Sampling
from tests.engines.gguf_files import (
    Tensors,
    gemma_tensors,
    sentencepiece_metadata,
    source_metadata,
    source_tensors,
    write_gguf,
)
from tests.engines.remote import RemoteEngine, Reply, ask
from tests.zoo.cache import checkpoint

SOURCE = "SmolLM2-tiny-trained"


def converted(source: Path, out: Path) -> list[tuple[str, int, int]]:
    """In the child: the progress of a conversion."""
    from mlx_gui.engines.convert.gguf import convert

    progress: list[tuple[str, int, int]] = []
    convert(source, out, lambda *step: progress.append(step))
    return progress


def greedy_replies(
    engine: RemoteEngine, folder: Path, *, max_tokens: int | None = None
) -> list[Reply]:
    texts = ("What is the capital of France?", "Hello", "Count from 1 to 10.")
    greedy = Sampling(temperature=0)
    requests = [ask(text, sampling=greedy, max_tokens=max_tokens) for text in texts]
    return engine.load(folder).answers(requests)


@pytest.mark.parametrize("type_name", ["F16", "F32", "Q8_0", "Q4_0", "Q4_1"])
def test_a_converted_model_answers_as_its_source(
    type_name: str, engine: RemoteEngine, tmp_path: Path
) -> None:
    source, file, out = checkpoint(SOURCE), tmp_path / "tiny.gguf", tmp_path / "tiny"
    write_gguf(file, source_metadata(source), engine.child.call(source_tensors, source, type_name))
    progress = engine.child.call(converted, file, out)
    assert progress[-1][1] == progress[-1][2] == file.stat().st_size

    replies = greedy_replies(engine, out)
    want = greedy_replies(engine, source)
    prompts = [reply.usage.prompt_tokens for reply in replies]
    assert prompts == [reply.usage.prompt_tokens for reply in want]
    if type_name.startswith("Q4"):
        # Four bits bend so small a model; that it still ends its sentences shows order and scale.
        assert all(reply.finish_reason == "stop" for reply in replies)
        assert replies[0].text.startswith("The capital of")
    else:
        assert [reply.outcome() for reply in replies] == [reply.outcome() for reply in want]


@pytest.mark.parametrize("type_name", ["F16", "Q8_0"])
def test_a_qwen_answers_as_its_source(type_name: str, engine: RemoteEngine, tmp_path: Path) -> None:
    source, file, out = checkpoint("Qwen3-tiny-trained"), tmp_path / "q.gguf", tmp_path / "q"
    write_gguf(file, source_metadata(source), engine.child.call(source_tensors, source, type_name))
    engine.child.call(converted, file, out)
    replies, want = greedy_replies(engine, out), greedy_replies(engine, source)
    assert [reply.outcome() for reply in replies] == [reply.outcome() for reply in want]


@pytest.mark.parametrize("type_name", ["Q8_0", "Q4_0", "Q4_1"])
def test_blocks_are_taken_over_without_loss(
    type_name: str, engine: RemoteEngine, tmp_path: Path
) -> None:
    source, file, out = checkpoint(SOURCE), tmp_path / "tiny.gguf", tmp_path / "tiny"
    tensors = engine.child.call(source_tensors, source, type_name)
    write_gguf(file, source_metadata(source), tensors)
    engine.child.call(converted, file, out)
    shape, _, content = tensors["blk.0.ffn_down.weight"]
    assert engine.child.call(largest_loss, out, shape, type_name, content) == 0


def largest_loss(folder: Path, shape: tuple[int, ...], type_name: str, content: bytes) -> float:
    """In the child: the converted matrix against its GGUF blocks, unpacked by the definition."""
    import mlx.core as mx
    import numpy as np

    width = {"Q8_0": 34, "Q4_0": 18, "Q4_1": 20}[type_name]
    raw = np.frombuffer(content, np.uint8).reshape(-1, width)
    scale = raw[:, :2].copy().view(np.float16).astype(np.float32)
    if type_name == "Q8_0":
        exact = scale * raw[:, 2:].view(np.int8)
    else:
        head = width - 16
        nibbles = np.concatenate([raw[:, head:] & 15, raw[:, head:] >> 4], 1)
        offset = -8 * scale if head == 2 else raw[:, 2:4].copy().view(np.float16).astype(np.float32)
        exact = scale * nibbles + offset
    weights = mx.load(str(folder / "model.safetensors"))
    parts = [
        weights[f"model.layers.0.mlp.down_proj.{part}"] for part in ("weight", "scales", "biases")
    ]
    packed_weight, scales, biases = parts
    ours = mx.dequantize(
        packed_weight,
        scales.astype(mx.float32),
        biases.astype(mx.float32),
        group_size=32,
        bits=8 if type_name == "Q8_0" else 4,
    )
    return float(np.abs(np.array(ours) - exact.reshape(shape)).max())


Change = Callable[[dict[str, Any], Tensors], object]
REFUSED: dict[str, tuple[Change, type[MlxGuiError], str]] = {
    "another architecture": (
        lambda m, _: m.update({"general.architecture": "falcon"}),
        ModelUnsupported,
        "architecture falcon",
    ),
    "a quantisation that MLX has not": (
        lambda _, t: t.update({"blk.0.ffn_up.weight": ((256,), "Q8_1", bytes(288))}),
        ModelUnsupported,
        r"blk\.0\.ffn_up\.weight is stored as Q8_1",
    ),
    "a tensor that llama has not": (
        lambda _, t: t.update({"blk.0.ffn_gate_inp.weight": ((32,), "F32", bytes(128))}),
        ModelUnsupported,
        "ffn_gate_inp",
    ),
    "another tokenizer": (
        lambda m, _: m.update({"tokenizer.ggml.pre": "viking"}),
        ModelUnsupported,
        "gpt2, viking",
    ),
    "no number of layers": (
        lambda m, _: m.pop("llama.block_count"),
        NotServable,
        r"llama\.block_count",
    ),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_cannot_be_taken_over_is_named(
    case: str, engine: RemoteEngine, tmp_path: Path
) -> None:
    change, error_class, reason = REFUSED[case]
    source, file = checkpoint(SOURCE), tmp_path / "tiny.gguf"
    metadata = source_metadata(source)
    tensors = engine.child.call(source_tensors, source, "F16")
    change(metadata, tensors)
    write_gguf(file, metadata, tensors)
    with pytest.raises(error_class, match=reason):
        engine.child.call(converted, file, tmp_path / "out")


@pytest.mark.parametrize("kept_bytes", [0, 3, 20, 1000, 100_000, -20_000, -1])
def test_a_file_cut_short_is_refused(kept_bytes: int, engine: RemoteEngine, tmp_path: Path) -> None:
    source, file = checkpoint(SOURCE), tmp_path / "tiny.gguf"
    write_gguf(file, source_metadata(source), engine.child.call(source_tensors, source, "F16"))
    file.write_bytes(file.read_bytes()[:kept_bytes])
    with pytest.raises(NotServable, match=r"tiny\.gguf is not a readable GGUF file"):
        engine.child.call(converted, file, tmp_path / "out")


def test_a_header_that_promises_more_than_the_file_holds_is_refused(
    engine: RemoteEngine, tmp_path: Path
) -> None:
    file = tmp_path / "liar.gguf"
    file.write_bytes(b"GGUF" + struct.pack("<IQQ", 3, 1 << 60, 1 << 60) + bytes(100))
    with pytest.raises(NotServable, match="announces"):
        engine.child.call(converted, file, tmp_path / "out")


def test_a_gemma_with_the_tokens_of_sentencepiece_answers_as_its_source(
    engine: RemoteEngine, tmp_path: Path
) -> None:
    """Its merges become scores, as SentencePiece has them, and have to be found again."""
    source, file, out = checkpoint("gemma-3-text-tiny"), tmp_path / "g.gguf", tmp_path / "g"
    write_gguf(file, sentencepiece_metadata(source), engine.child.call(gemma_tensors, source))
    engine.child.call(converted, file, out)
    # Random weights would write to the end of the context.
    replies, want = (greedy_replies(engine, each, max_tokens=60) for each in (out, source))
    assert [reply.outcome() for reply in replies] == [reply.outcome() for reply in want]
    prompts = [reply.usage.prompt_tokens for reply in want]
    assert [reply.usage.prompt_tokens for reply in replies] == prompts
