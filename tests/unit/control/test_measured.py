"""What workers were measured to take, kept and applied."""

import asyncio
from pathlib import Path

import msgspec
import pytest

from mlx_gui.control.plans.measurements import Measurements, corrected
from mlx_gui.core.model import LoadSpec, MemoryNeed, MemoryUse, TextOptions
from mlx_gui.store.database import Store
from mlx_gui.store.measurements import Measurement
from tests.support.models import changed_spec

SPEC = LoadSpec("org/one", "/models/org/one", "text", "engine", "float32", TextOptions(8192, 8))
USE = MemoryUse(500, 0, 0, 700, load_peak_bytes=600, peak_rss_bytes=900)
NEED = MemoryNeed(
    weights_bytes=400,
    kv_bytes=50,
    overhead_bytes=130,
    load_peak_bytes=650,
    prefix_bytes=20,
    process_bytes=100,
    cached_bytes=10,
)


def test_what_was_noted_is_there_at_once_and_after_a_restart(tmp_path: Path) -> None:
    async def note_and_recall() -> None:
        store = Store.open(tmp_path)
        measurements = Measurements(store)
        assert measurements.of(SPEC) is None
        await measurements.note(SPEC, Measurement(USE, 1.0))
        await measurements.note(SPEC, Measurement(USE, 2.0))
        assert measurements.of(SPEC) == Measurement(USE, 2.0)
        later = Measurements(store)
        await later.recall()
        assert later.of(SPEC) == Measurement(USE, 2.0)
        store.close()

    asyncio.run(note_and_recall())


@pytest.mark.parametrize(
    ("changes", "same"),
    [
        ({"context": 1, "slots": 1, "kv_pool_tokens": 1, "prefix_cache_bytes": 1}, True),
        ({"tool_prompt": "refuse", "kv_bits": 8}, True),
        ({"weight_form": "stored"}, False),
        ({"path": "/elsewhere"}, False),
        ({"adapter": "/adapter"}, False),
        ({"draft": "/draft"}, False),
    ],
)
def test_a_key_is_of_what_a_fresh_worker_depends_on(changes: dict[str, object], same: bool) -> None:
    assert (changed_spec(SPEC, **changes).key() == SPEC.key()) is same


def test_weights_process_and_load_peak_are_as_measured_and_caches_as_planned() -> None:
    assert corrected(NEED, Measurement(USE, 1.0)) == MemoryNeed(
        weights_bytes=500,
        kv_bytes=50,
        overhead_bytes=130 - 100 + 200,
        load_peak_bytes=900,
        prefix_bytes=20,
        process_bytes=200,
        cached_bytes=10,
    )


def test_weights_are_never_less_than_the_files_have() -> None:
    small = msgspec.structs.replace(USE, active_bytes=10)
    assert corrected(NEED, Measurement(small, 1.0)).weights_bytes == 400


def test_a_resident_set_without_what_mlx_holds_corrects_no_process() -> None:
    elsewhere = msgspec.structs.replace(USE, rss_bytes=120, peak_rss_bytes=130)
    found = corrected(NEED, Measurement(elsewhere, 1.0))
    assert found.process_bytes == 100
    assert found.load_peak_bytes == 600 + 100


def test_a_row_without_peaks_leaves_the_planned_one() -> None:
    old = MemoryUse(500, 0, 0, 700)
    assert corrected(NEED, Measurement(old, 1.0)).load_peak_bytes == 500 + 200
    roomy = msgspec.structs.replace(NEED, load_peak_bytes=5000)
    assert corrected(roomy, Measurement(old, 1.0)).load_peak_bytes == 5000
