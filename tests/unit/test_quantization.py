"""Which ways of packing weights there are, and what they take."""

import json
from functools import partial
from pathlib import Path

import msgspec
import pytest

from mlx_gui.control.jobs.converting import sense_of
from mlx_gui.control.plans.conversion import check_conversion, packed_bytes
from mlx_gui.core.errors import DiskFull, InsufficientMemory, InvalidRequest, ModelUnsupported
from mlx_gui.core.quantization import Quantization, QuantizationMode, checked_quantization
from tests.unit.api.parts import MODEL

PLENTY = 10**12
check = partial(check_conversion, available_bytes=PLENTY, free_disk_bytes=PLENTY, reserve_bytes=0)


def test_what_is_left_out_is_the_usual_of_its_mode() -> None:
    assert checked_quantization("affine", None, None) == Quantization(4, 64)
    assert checked_quantization("mxfp4", None, None) == Quantization(4, 32, "mxfp4")
    assert checked_quantization("affine", 8, 32).words == "8bit"
    assert checked_quantization("mxfp8", None, None).words == "mxfp8"


@pytest.mark.parametrize(
    ("mode", "bits", "group_size", "param"),
    [
        ("affine", 7, None, "bits"),
        ("affine", -4, None, "bits"),
        ("affine", 0, None, "bits"),
        ("affine", 4, 0, "group_size"),
        ("affine", 4, 48, "group_size"),
        ("affine", 10**9, None, "bits"),
        ("mxfp4", 8, None, "bits"),
        ("nvfp4", None, 64, "group_size"),
    ],
)
def test_what_mlx_cannot_do_is_refused_with_what_it_can(
    mode: QuantizationMode, bits: int | None, group_size: int | None, param: str
) -> None:
    with pytest.raises(InvalidRequest, match="cannot be") as refusal:
        checked_quantization(mode, bits, group_size)
    assert refusal.value.details["param"] == param
    assert "It can be" in refusal.value.hint


def test_memory_and_disk_are_looked_at_before_anything_is_read() -> None:
    wanted = Quantization(4, 64)
    check(MODEL, wanted)
    assert MODEL.facts is not None
    assert packed_bytes(MODEL, wanted) > MODEL.facts.parameter_count / 2
    with pytest.raises(InsufficientMemory) as short:
        check(MODEL, wanted, available_bytes=10**6)
    assert short.value.details["needed_bytes"] > 10**6
    with pytest.raises(DiskFull):
        check(MODEL, wanted, free_disk_bytes=10)
    made_bytes = packed_bytes(MODEL, wanted)
    check(MODEL, wanted, free_disk_bytes=made_bytes + 5, reserve_bytes=5)
    with pytest.raises(DiskFull, match="a reserve of 6 B stays"):
        check(MODEL, wanted, free_disk_bytes=made_bytes + 5, reserve_bytes=6)
    facts = msgspec.structs.replace(MODEL.facts, quantization="4 bits")
    packed = msgspec.structs.replace(MODEL, facts=facts)
    with pytest.raises(ModelUnsupported, match="quantized already"):
        check(packed, wanted)
    broken = msgspec.structs.replace(MODEL, problem="It has no weights.")
    with pytest.raises(ModelUnsupported, match="cannot be converted"):
        check(broken, wanted)
    scripted = msgspec.structs.replace(MODEL, path="")
    with pytest.raises(ModelUnsupported, match="built in, and has no weights"):
        check(scripted, wanted)


@pytest.mark.parametrize(("name", "sense"), [("vision_config", "sees"), ("audio_config", "hears")])
def test_what_a_conversion_would_lose_is_no_surprise(tmp_path: Path, name: str, sense: str) -> None:
    (tmp_path / "config.json").write_text(json.dumps({"model_type": "gemma3", name: {}}))
    model = msgspec.structs.replace(MODEL, path=str(tmp_path))
    assert sense_of(model) == sense
    with pytest.raises(ModelUnsupported, match=f"also {sense}, which a conversion would lose"):
        check(model, Quantization(4, 64), sense=sense_of(model))
    (tmp_path / "config.json").write_text(json.dumps({"model_type": "llama"}))
    assert sense_of(model) is None


def test_a_model_that_sees_here_is_converted() -> None:
    assert MODEL.facts is not None
    facts = msgspec.structs.replace(MODEL.facts, kind="vision")
    seeing = msgspec.structs.replace(MODEL, facts=facts)
    check(seeing, Quantization(4, 64), sense="sees")
    hearing = msgspec.structs.replace(
        MODEL, facts=msgspec.structs.replace(MODEL.facts, kind="transcription")
    )
    with pytest.raises(ModelUnsupported, match="only models of text, and of text and pictures"):
        check(hearing, Quantization(4, 64))
