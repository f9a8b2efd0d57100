"""Workers filled to their plan: neither the process nor MLX may differ from it by much."""

import asyncio
import json
import shutil
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

from bench.filling import Filled, fill
from mlx_gui.catalog.starters import EMBEDDED
from mlx_gui.config import resolve
from mlx_gui.control.plans.plan import Machine, Plan, plan_load
from mlx_gui.core.device import BlasFacts, DeviceFacts
from mlx_gui.core.generation import GenerateRequest
from mlx_gui.core.model import Model
from mlx_gui.kinds.architecture import vocabulary_size
from mlx_gui.kinds.registry import recognise
from mlx_gui.model_settings import resolve_model
from tests.colours.checkpoints import seeing
from tests.encoders.cache import encoder
from tests.encoders.families import FAMILIES as ENCODERS
from tests.encoders.real import minilm
from tests.engines.remote import CACHE
from tests.engines.seeing import look, picture, user
from tests.support.soak import in_soak, mostly_in_soak
from tests.tones.checkpoints import parakeet_tones
from tests.voices.checkpoints import pocket_tts, qwen3_tts
from tests.zoo.cache import checkpoint
from tests.zoo.families import FAMILIES

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="reads peaks from /proc")

BUDGET_BYTES = 4 << 30
TOLERANCE_BYTES = 64_000_000
TOLERANCE_SHARE = 0.1
CONFIG = resolve(flags={"data_dir": "/nowhere"}, environment={})
UNLIKE_REAL_ONES = ("lost-tiny", "Qwen3-Embedding-tiny-wide")
"""One cannot be loaded without a setting, the other is twenty times as wide as its inner layers."""
UNLIKE = ("Qwen3-tiny-4bit", "gemma-3-text-tiny-window", "LFM2-tiny")
SHORT = {"context_tokens": 512, "slots": 3}
IN_FULL = {"context_tokens": 2048, "slots": 8}


@pytest.mark.parametrize("name", mostly_in_soak(FAMILIES, but=UNLIKE))
@pytest.mark.parametrize(
    "sizes",
    [
        pytest.param(SHORT, id="short"),
        pytest.param(IN_FULL, id="in full", marks=pytest.mark.soak),
    ],
)
def test_a_tiny_model_takes_what_was_planned(name: str, sizes: dict[str, int]) -> None:
    check(*filled(checkpoint(name), **sizes))


@pytest.mark.parametrize("kv_bits", [8, *in_soak(4)])
def test_a_quantized_cache_takes_what_was_planned(kv_bits: int) -> None:
    check(*filled(checkpoint("Qwen3-tiny-wide"), kv_bits=kv_bits, context_tokens=1024))


@pytest.mark.soak
@pytest.mark.parametrize(
    ("budget_bytes", "packs"),
    [(BUDGET_BYTES, False), (900_000_000, False), (700_000_000, False), (BUDGET_BYTES, True)],
)
def test_a_real_model_takes_what_was_planned_in_every_form(budget_bytes: int, packs: bool) -> None:
    folder = resolve(flags={}, environment={}).model_dirs[0] / EMBEDDED.model_id
    if not folder.exists():
        pytest.skip("the starter model is not installed")
    sizes = {"context_tokens": 512, "slots": 2}
    check(*filled(folder, budget_bytes=budget_bytes, packs=packs, **sizes))


@pytest.mark.parametrize(
    "name",
    mostly_in_soak(sorted(ENCODERS.keys() - UNLIKE_REAL_ONES), but=("xlm-roberta-tiny",)),
)
def test_a_tiny_encoder_takes_what_was_planned(name: str) -> None:
    check(*filled(encoder(name)))


@pytest.mark.soak
def test_a_real_encoder_takes_what_was_planned() -> None:
    check(*filled(minilm()))


@pytest.mark.soak
@pytest.mark.parametrize("model", [parakeet_tones, pocket_tts, qwen3_tts])
def test_what_hears_or_speaks_takes_what_was_planned(model: Callable[[], Path]) -> None:
    check(*filled(model()))


@pytest.mark.parametrize(
    ("name", "side"),
    [("Qwen2-VL-tiny", 784), pytest.param("gemma-3-tiny", 56, marks=pytest.mark.soak)],
)
def test_a_model_that_sees_takes_what_was_planned_with_its_largest_picture(
    name: str, side: int, tmp_path: Path
) -> None:
    folder = tmp_path / name
    shutil.copytree(seeing(name), folder)
    processor = folder / "preprocessor_config.json"
    settings = json.loads(processor.read_text(encoding="utf-8"))
    processor.write_text(json.dumps({**settings, "max_pixels": side * side}), encoding="utf-8")
    largest = look(user(picture("red", (side, side)), "What colour is this?"))
    check(*filled(folder, before=[largest], context_tokens=1024, slots=3))


def filled(
    folder: Path,
    *,
    budget_bytes: int = BUDGET_BYTES,
    packs: bool = True,
    before: Sequence[GenerateRequest] = (),
    **own: Any,
) -> tuple[Plan, Filled]:
    facts = recognise(folder).facts
    assert facts is not None
    vocabulary = vocabulary_size(json.loads((folder / "config.json").read_text())) or 1
    model = Model(folder.name, str(folder), facts, None, 0, "2026-01-01T00:00:00+00:00")
    blas = BlasFacts(None, None, packed=packs)
    device = DeviceFacts("cpu", "some", 4 * budget_bytes, None, {}, {}, blas)
    settings = resolve_model(CONFIG, own)
    plan = plan_load(model, Machine(device, budget_bytes), CONFIG, settings=settings)
    return plan, asyncio.run(fill(plan, vocabulary=vocabulary, cache_dir=CACHE, before=before))


def check(plan: Plan, found: Filled) -> None:
    need = plan.need
    within(found.load.process_bytes, need.load_peak_bytes)
    within(found.load.mlx_bytes, need.load_peak_bytes - need.process_bytes)
    within(found.steady.process_bytes, need.total_bytes - need.readers_bytes)
    within(found.steady.mlx_bytes, need.mlx_bytes)


def within(measured_bytes: int, planned_bytes: int) -> None:
    bound_bytes = max(TOLERANCE_SHARE * planned_bytes, TOLERANCE_BYTES)
    assert abs(measured_bytes - planned_bytes) <= bound_bytes
