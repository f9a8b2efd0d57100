"""A model with packed weights answers, and what cannot be packed is refused."""

import json
from pathlib import Path

import pytest

from mlx_gui.core.errors import LoadFailed, MlxGuiError, ModelUnsupported
from mlx_gui.core.quantization import Quantization, checked_quantization
from mlx_gui.kinds.checkpoint import read_tensors
from tests.colours.checkpoints import seeing
from tests.colours.families import FAMILIES, SMALL_TOWERS
from tests.engines.remote import RemoteEngine, ask
from tests.engines.seeing import asked
from tests.unit.kinds.folders import write_model
from tests.zoo.cache import checkpoint

SOURCE = "SmolLM2-tiny-trained"
TELL_COLOURS = [name for name in FAMILIES if name not in SMALL_TOWERS]


def quantized(
    source: Path, out: Path, wanted: Quantization, kind: str = "text"
) -> list[tuple[str, int, int]]:
    """In the child: the progress of it."""
    from mlx_gui.engines.convert.packing import packing_of
    from mlx_gui.engines.convert.quantize import quantize

    progress: list[tuple[str, int, int]] = []
    quantize(
        source,
        out,
        wanted,
        lambda *step: progress.append(step),
        model_id="org/source",
        packing=packing_of(kind),
    )
    return progress


@pytest.mark.parametrize(("bits", "group_size"), [(8, 32), (4, 32)])
def test_a_model_with_fewer_bits_answers(
    bits: int, group_size: int, engine: RemoteEngine, tmp_path: Path
) -> None:
    source, out = checkpoint(SOURCE), tmp_path / "packed"
    wanted = checked_quantization("affine", bits, group_size)
    progress = engine.child.call(quantized, source, out, wanted)
    assert progress[-1][1] == progress[-1][2]
    assert [done for _, done, _ in progress] == sorted(done for _, done, _ in progress)
    config = json.loads((out / "config.json").read_text())
    assert (config["quantization"]["bits"], config["quantization"]["group_size"]) == (
        bits,
        group_size,
    )
    origin = json.loads((out / "mlx-gui.json").read_text())
    assert (origin["source"], origin["bits"]) == ("org/source", bits)
    weights = "model.safetensors"
    assert (out / weights).stat().st_size < (source / weights).stat().st_size
    (reply,) = engine.load(out).answers([ask("What is the capital of France?")])
    assert reply.text


@pytest.mark.parametrize("name", TELL_COLOURS)
def test_a_model_that_sees_still_does_with_fewer_bits(
    name: str, engine: RemoteEngine, tmp_path: Path
) -> None:
    out = tmp_path / "packed"
    wanted = checked_quantization("affine", 8, 32)
    engine.child.call(quantized, seeing(name), out, wanted, "vision")

    names = {tensor.name for tensor in read_tensors(out)}
    packed = {each.removesuffix(".scales") for each in names if each.endswith(".scales")}
    assert packed
    assert not [each for each in packed if "vision" in each or "projector" in each]
    engine.see(out)
    for colour in ("red", "blue"):
        assert engine.answer(asked(colour)).text == f"The picture is {colour}."


def test_what_is_packed_already_is_refused(engine: RemoteEngine, tmp_path: Path) -> None:
    wanted = checked_quantization("affine", 4, 32)
    with pytest.raises(ModelUnsupported, match="quantized already"):
        engine.child.call(quantized, checkpoint("Qwen3-tiny-4bit"), tmp_path / "out", wanted)


def test_a_model_that_cannot_be_read_is_refused(engine: RemoteEngine, tmp_path: Path) -> None:
    broken = write_model(tmp_path / "broken")
    wanted = checked_quantization("affine", 4, 64)
    with pytest.raises(MlxGuiError) as refusal:
        engine.child.call(quantized, broken, tmp_path / "out", wanted)
    assert isinstance(refusal.value, LoadFailed | ModelUnsupported)
