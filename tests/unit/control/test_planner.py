"""Plans over real parts: made once, made anew when something changed, and held by workers."""

import asyncio
import gc
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import msgspec
import pytest

from mlx_gui.config import resolve
from mlx_gui.control.plans.measurements import Measurements
from mlx_gui.control.plans.plan import Plan
from mlx_gui.control.plans.planner import ModelPlanner
from mlx_gui.control.plans.wish import Wish
from mlx_gui.control.settings.models import ModelSettingsOwner
from mlx_gui.core.device import DeviceFacts
from mlx_gui.core.errors import ModelNotFound, NotReady
from mlx_gui.core.model import MemoryUse, Model
from mlx_gui.kinds.registry import recognise
from mlx_gui.kinds.transcription import TranscriptionOptions
from mlx_gui.store.database import Store
from mlx_gui.store.measurements import Measurement
from tests.unit.control.test_planning import GIB, MODEL
from tests.unit.kinds.folders import write_model
from tests.unit.kinds.test_transcription import TENSORS, WHISPER

DEVICE = DeviceFacts("cpu", "some", 16 * GIB, None, {}, {})


class Desk:
    """A planner, and everything that its plans follow from."""

    def __init__(self, store: Store, folder: Path) -> None:
        config = resolve(flags={"data_dir": str(folder)}, environment={})
        self.device: DeviceFacts | None = DEVICE
        self.budget_bytes = 8 * GIB
        self.installed: tuple[Model, ...] = ()
        self.settings = ModelSettingsOwner(store, lambda: config)
        self.measurements = Measurements(store)
        self.planner = ModelPlanner(
            config=config,
            settings=self.settings,
            measurements=self.measurements,
            find=_find,
            installed=lambda: self.installed,
            device=lambda: self.device,
            budget_bytes=lambda: self.budget_bytes,
        )

    def change(self, **values: object) -> None:
        asyncio.run(self.settings.change(MODEL, dict(values)))  # pyright: ignore[reportArgumentType]

    def measure(self, rss_bytes: int) -> None:
        spec = self.planner.plan(MODEL, Wish()).spec
        use = MemoryUse(400_000_000, 0, 0, rss_bytes, peak_rss_bytes=rss_bytes)
        asyncio.run(self.measurements.note(spec, Measurement(use, 1.0)))


def _find(name: str) -> Model:
    raise ModelNotFound(name)


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    store = Store.open(tmp_path)
    yield Desk(store, tmp_path)
    store.close()


def test_a_plan_is_the_same_until_something_changes(desk: Desk) -> None:
    plan = desk.planner.plan(MODEL, Wish())
    assert desk.planner.plan(MODEL, Wish()) is plan
    assert desk.planner.plan(MODEL, Wish(context_tokens=1024)).spec.context == 1024
    desk.change(slots=3)
    assert desk.planner.plan(MODEL, Wish()).spec.text.slots == 3
    desk.budget_bytes = GIB
    assert desk.planner.plan(MODEL, Wish()).need.total_bytes <= GIB


def test_no_more_plans_are_kept_than_are_asked_for_again(desk: Desk) -> None:
    for context_tokens in range(1024, 1524):
        desk.planner.plan(MODEL, Wish(context_tokens))
    gc.collect()
    kept = [each for each in gc.get_objects() if isinstance(each, Plan)]
    assert len([each for each in kept if each.wanted_context in range(1024, 1524)]) <= 128


def test_what_was_measured_corrects_the_next_plan_but_not_the_one_that_is_loaded(
    desk: Desk,
) -> None:
    loaded = desk.planner.plan(MODEL, Wish())
    desk.measure(7 * GIB)
    corrected = desk.planner.plan(MODEL, Wish())
    assert corrected.measured
    assert corrected.need.total_bytes > loaded.need.total_bytes
    assert corrected.spec != loaded.spec, "the pools became smaller"
    assert desk.planner.holds(MODEL, Wish(), loaded)
    desk.change(priority=5)
    assert desk.planner.holds(MODEL, Wish(), loaded), "nothing of that is in memory"
    desk.change(context_tokens=2048)
    assert not desk.planner.holds(MODEL, Wish(), loaded)
    desk.change(context_tokens=None)
    assert desk.planner.holds(MODEL, Wish(), loaded)
    assert not desk.planner.holds(MODEL, Wish(context_tokens=2048), loaded)


def test_a_worker_stays_while_nobody_can_say_what_would_be_loaded(desk: Desk) -> None:
    loaded = desk.planner.plan(MODEL, Wish())
    desk.device = None
    assert desk.planner.holds(MODEL, Wish(), loaded)
    with pytest.raises(NotReady):
        desk.planner.plan(MODEL, Wish())


def test_the_largest_context_is_found_for_the_room_that_there_is(desk: Desk) -> None:
    whole = desk.planner.largest_context(MODEL, 8 * GIB)
    little = desk.planner.largest_context(MODEL, 2 * GIB)
    assert whole == 32_768
    assert 0 < little < whole
    assert desk.planner.largest_context(MODEL, GIB // 16) == 0


def test_another_folder_of_the_same_model_is_another_load(desk: Desk) -> None:
    loaded = desk.planner.plan(MODEL, Wish())
    moved = msgspec.structs.replace(MODEL, path="/elsewhere")
    assert not desk.planner.holds(moved, Wish(), loaded)
    assert desk.planner.holds(MODEL, Wish(), replace(loaded, wanted_context=1))


def test_what_finds_speech_is_loaded_beside_models_that_hear_once_it_is_there(
    desk: Desk, tmp_path: Path
) -> None:
    whisper = Model(
        "org/whisper",
        "/whisper",
        recognise(write_model(tmp_path / "whisper", config=WHISPER, tensors=TENSORS)).facts,
        None,
        0,
        "",
    )
    folder = write_model(
        tmp_path / "silero", config={"model_type": "silero_vad"}, tensors={"w": ("F32", (300_000,))}
    )
    found = recognise(folder)
    assert found.problem is not None
    detector = Model("org/silero", str(folder), found.facts, found.problem, 0, "")
    alone = desk.planner.plan(whisper, Wish())

    desk.installed = (whisper, detector)

    beside = desk.planner.plan(whisper, Wish())
    assert isinstance(alone.spec.options, TranscriptionOptions)
    assert isinstance(beside.spec.options, TranscriptionOptions)
    assert (alone.spec.options.detector, beside.spec.options.detector) == (None, str(folder))
    assert beside.need.weights_bytes == alone.need.weights_bytes + 4 * 300_000
    assert beside.need.total_bytes > alone.need.total_bytes
    assert not desk.planner.holds(whisper, Wish(), alone)
    away = msgspec.structs.replace(detector, away=True)
    desk.installed = (whisper, away)
    assert desk.planner.plan(whisper, Wish()).spec == alone.spec
    text = desk.planner.plan(MODEL, Wish())
    desk.installed = (whisper, detector)
    assert desk.planner.plan(MODEL, Wish()) is text
