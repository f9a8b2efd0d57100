"""Models that see: told by their files, and planned with their largest picture."""

import json
from pathlib import Path
from typing import Any

import msgspec
import pytest

from mlx_gui.config import resolve
from mlx_gui.control.plans.plan import Machine, Plan, plan_load
from mlx_gui.core.device import Backend, DeviceFacts
from mlx_gui.core.model import Model, TextOptions
from mlx_gui.kinds.registry import KINDS, read_facts, recognise
from mlx_gui.kinds.vision_facts import MOST_PIXELS, Tower, VisionFacts, VisionOptions
from mlx_gui.kinds.vision_memory import PICTURE_READERS_BYTES, looking_bytes
from mlx_gui.model_settings import resolve_model
from tests.unit.kinds.folders import LLAMA, write_model

GIB = 2**30
VISION = {"embed_dim": 1280, "num_heads": 16, "mlp_ratio": 4, "patch_size": 14}
CONFIG: dict[str, Any] = {
    **LLAMA,
    "model_type": "qwen2_vl",
    "vocab_size": 100,
    "vision_config": VISION,
}
TEXT = {"model.embed_tokens.weight": ("BF16", (100, 64))}
TOWER = {"visual.blocks.0.mlp.weight": ("BF16", (64, 64)), "visual.norm": ("F32", (64,))}
SERVER = resolve(flags={"data_dir": "/nowhere"}, environment={})


def folder_of(
    folder: Path, *, tower: bool = True, processor: dict[str, Any] | None = None, **config: Any
) -> Path:
    write_model(folder, config={**CONFIG, **config}, tensors={**TEXT, **(TOWER if tower else {})})
    if processor is not None:
        (folder / "preprocessor_config.json").write_text(json.dumps(processor))
    return folder


def tower_of(folder: Path) -> Tower:
    facts = recognise(folder).facts
    assert facts is not None
    assert isinstance(facts.own, VisionFacts)
    return facts.own.tower


def planned(
    folder: Path, *, budget_bytes: int = 16 * GIB, backend: Backend = "cpu", **own: Any
) -> Plan:
    facts = recognise(folder).facts
    model = Model("org/sees", str(folder), facts, None, 0, "2026-01-01T00:00:00+00:00")
    device = DeviceFacts(backend, "some", 2 * budget_bytes, None, {}, {})
    settings = resolve_model(SERVER, own)
    return plan_load(model, Machine(device, budget_bytes), SERVER, settings=settings)


def test_a_tower_among_the_weights_makes_a_model_see(tmp_path: Path) -> None:
    found = recognise(folder_of(tmp_path))
    assert found.problem is None
    assert found.facts is not None
    assert found.facts.kind == "vision"
    assert "vision" in found.facts.capabilities
    assert found.facts.stored_bytes == 100 * 64 * 2 + 64 * 64 * 2 + 64 * 4
    assert tower_of(tmp_path).stored_bytes == 64 * 64 * 2 + 64 * 4
    assert tower_of(tmp_path).parameter_count == 64 * 64 + 64


def test_what_a_model_hears_with_is_not_loaded(tmp_path: Path) -> None:
    ears = {"model.audio_tower.a": ("F32", (64,)), "embed_audio.b": ("F32", (64,))}
    write_model(
        tmp_path, config={**CONFIG, "model_type": "gemma3n"}, tensors={**TEXT, **TOWER, **ears}
    )
    found = recognise(tmp_path)
    assert found.facts is not None
    assert "vision" in found.facts.capabilities
    assert found.facts.stored_bytes == 100 * 64 * 2 + 64 * 64 * 2 + 64 * 4


def test_a_tower_of_convolutions_takes_as_much_for_every_picture(tmp_path: Path) -> None:
    tower = tower_of(folder_of(tmp_path, model_type="gemma3n"))
    small, large = (
        looking_bytes(tower, pixels, value_bytes=4, backend="cpu") for pixels in (1, MOST_PIXELS)
    )
    # Measured: 844 MB for 768x768 pixels.
    assert small == large == 768 * 768 * (360 * 4 + 9 * 4)


def test_without_its_tower_it_is_a_text_model(tmp_path: Path) -> None:
    facts = recognise(folder_of(tmp_path, tower=False)).facts
    assert facts is not None
    assert facts.kind == "text"
    assert "vision" not in facts.capabilities


def test_other_families_are_text_models_whatever_they_have(tmp_path: Path) -> None:
    facts = recognise(folder_of(tmp_path, model_type="llama")).facts
    assert facts is not None
    assert facts.kind == "text"


def test_facts_are_read_again_as_they_were_kept(tmp_path: Path) -> None:
    facts = recognise(folder_of(tmp_path)).facts
    assert read_facts(msgspec.json.encode(facts)) == facts


@pytest.mark.parametrize(
    ("model_type", "vision", "processor", "pixels", "fixed"),
    [
        ("qwen2_vl", VISION, {"max_pixels": 12_845_056}, 12_845_056, False),
        ("qwen2_vl", VISION, {"size": {"longest_edge": 12_845_056}}, 12_845_056, False),
        ("qwen2_vl", VISION, None, 1024 * 1024, False),
        ("mistral3", VISION, {"size": {"longest_edge": 1540}}, 1540 * 1540, False),
        ("gemma3", {**VISION, "image_size": 896}, {"size": {"height": 896}}, 896 * 896, True),
        ("gemma3", {**VISION, "image_size": "?"}, None, 896 * 896, True),
        ("gemma3n", VISION, {"size": {"height": 512}}, 512 * 512, True),
        ("gemma3n", VISION, None, 768 * 768, True),
    ],
)
def test_the_most_pixels_are_those_of_the_processor(
    model_type: str,
    vision: dict[str, Any],
    processor: dict[str, Any] | None,
    pixels: int,
    fixed: bool,
    tmp_path: Path,
) -> None:
    folder = folder_of(tmp_path, model_type=model_type, vision_config=vision, processor=processor)
    tower = tower_of(folder)
    assert (tower.pixels, tower.fixed) == (pixels, fixed)
    assert (tower.width, tower.inner, tower.heads, tower.patch) == (1280, 5120, 16, 14)


def test_looking_takes_scores_only_where_no_kernel_does_without() -> None:
    tower = Tower(patch=14, width=1280, inner=5120, heads=16, pixels=1400 * 1400)
    on_cpu = looking_bytes(tower, MOST_PIXELS, value_bytes=4, backend="cpu")
    on_metal = looking_bytes(tower, MOST_PIXELS, value_bytes=4, backend="metal")
    assert on_cpu - on_metal == 16 * 10_000**2 * 4


def test_the_processes_that_read_pictures_are_planned(tmp_path: Path) -> None:
    folder = folder_of(tmp_path)
    sees, blind = planned(folder).need, planned(folder, vision="off").need
    assert sees.readers_bytes == PICTURE_READERS_BYTES
    assert blind.readers_bytes == 0
    assert sees.overhead_bytes >= sees.process_bytes + sees.cached_bytes + sees.readers_bytes
    assert sees.mlx_bytes == sees.total_bytes - (
        sees.process_bytes + sees.cached_bytes + sees.readers_bytes
    )


def test_pictures_are_scaled_down_where_looking_would_take_over_an_eighth(tmp_path: Path) -> None:
    folder = folder_of(tmp_path, processor={"max_pixels": 12_845_056})
    metal, cpu = planned(folder, backend="metal"), planned(folder)
    assert isinstance(metal.spec.options, VisionOptions)
    assert isinstance(cpu.spec.options, VisionOptions)
    assert metal.spec.options.picture_pixels == MOST_PIXELS
    pixels = cpu.spec.options.picture_pixels
    assert 256 * 256 < pixels < MOST_PIXELS
    taken = looking_bytes(tower_of(folder), pixels, value_bytes=4, backend="cpu")
    assert taken <= 2 * GIB
    assert cpu.need.overhead_bytes >= taken


def test_switched_off_it_is_loaded_as_text_without_its_tower(tmp_path: Path) -> None:
    folder = folder_of(tmp_path)
    seeing, blind = planned(folder), planned(folder, vision="off")
    assert seeing.spec.engine == "mlx_gui.engines.vision.engine"
    assert blind.spec.engine == "mlx_gui.engines.text.engine"
    assert blind.spec.kind == "text"
    assert type(blind.spec.options) is TextOptions
    tower = tower_of(folder)
    widened = 4 * tower.parameter_count
    assert seeing.need.weights_bytes - blind.need.weights_bytes == widened
    assert blind.spec.key() != seeing.spec.key()


def test_it_is_asked_what_a_text_model_is() -> None:
    kinds = {kind.name: kind for kind in KINDS}
    assert kinds["vision"].requests == kinds["text"].requests
