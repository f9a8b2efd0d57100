"""Models, memory and queue as the API shows them."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import msgspec
import pytest

from mlx_gui.api.manage.status.translate import (
    folder_statuses,
    manager_status,
    memory_status,
)
from mlx_gui.api.model_view import memory_use, model_list, model_object, utc_time
from mlx_gui.control.machine.budget import BudgetLimits, budget
from mlx_gui.control.machine.reading import Container, MemoryReading
from mlx_gui.control.residency.views import Left, QueuedView, ResidencySnapshot, ResidentView
from mlx_gui.core.errors import ErrorInfo
from mlx_gui.core.licence import Licence
from mlx_gui.core.model import LoadSpec, MemoryNeed, MemoryUse, TextOptions
from mlx_gui.wire.models import MemoryUseBody
from mlx_gui.wire.status import MemoryStatus
from tests.unit.api.parts import MODEL

NOTHING = ResidencySnapshot({}, (), stopping=False)
SPEC = LoadSpec("org/one", "/models/org/one", "text", "engine", "float32", TextOptions(4096, 4))
READY = ResidentView(
    model_id="org/one",
    state="busy",
    pid=42,
    spec=SPEC,
    need=MemoryNeed(600, 100, 50, 900),
    memory=MemoryUse(750, 50, 900, rss_bytes=1000, kv_bytes=100, prefix_bytes=50),
    active=2,
    queued=1,
    loads=3,
    last_used_at=1_700_000_000.5,
    expires_at=1_700_000_900.0,
    load_progress=None,
    load_stage=None,
    error=None,
)


def test_a_model_that_was_never_loaded_shows_its_files() -> None:
    shown = model_object(MODEL, None, context_tokens=2048)

    assert shown.model_dump(exclude_defaults=True) == {
        "id": "org/one",
        "created": 1767323045,
        "created_at": "2026-01-02T03:04:05+00:00",
        "owned_by": "org",
        "display_name": "one",
        "kind": "text",
        "library": "mlx-lm",
        "model_type": "llama",
        "capabilities": ["chat"],
        "context_length": 4096,
        "max_model_len": 2048,
        "parameter_count": 135_000_000,
        "quantization": None,
        "disk_bytes": 271_000_000,
        "path": "/models/org/one",
        "supported": True,
        "problem": None,
        "state": "not_loaded",
    }


def test_a_licence_is_shown_with_what_one_of_its_name_allows() -> None:
    licensed = msgspec.structs.replace(MODEL, licence=Licence("gemma", "https://host/terms"))

    shown = model_object(licensed, None, context_tokens=None)

    assert (shown.license, shown.license_link) == ("gemma", "https://host/terms")
    assert shown.license_class == "terms"


def test_a_broken_model_shows_its_reason_and_an_unnamed_owner_is_local() -> None:
    broken = msgspec.structs.replace(MODEL, id="alone", facts=None, problem="No config.json.")

    shown = model_object(broken, None, context_tokens=None)

    assert (shown.supported, shown.problem, shown.kind) == (False, "No config.json.", None)
    assert (shown.owned_by, shown.display_name, shown.capabilities) == ("local", "alone", [])


def test_a_resident_model_shows_what_the_run_loop_says() -> None:
    shown = model_object(MODEL, READY, context_tokens=4096)

    assert (shown.state, shown.active, shown.queued) == ("busy", 2, 1)
    assert shown.last_used_at == "2023-11-14T22:13:20.500Z"
    assert shown.expires_at == "2023-11-14T22:28:20.000Z"
    assert shown.memory == MemoryUseBody(
        weights_bytes=600, kv_bytes=100, prefix_bytes=50, other_bytes=250, total_bytes=1000
    )
    assert shown.error is None


def test_a_model_stays_as_its_settings_say_until_a_request_says_otherwise() -> None:
    alone = model_object(MODEL, None, context_tokens=None, pinned=True, keep_alive_s=60)
    loaded = model_object(MODEL, READY, context_tokens=None, keep_alive_s=60)
    asked = model_object(
        MODEL, replace(READY, keep_alive_s=-1), context_tokens=None, keep_alive_s=60
    )

    assert (alone.pinned, alone.keep_alive_s) == (True, 60)
    assert (loaded.pinned, loaded.keep_alive_s) == (False, 60)
    assert asked.keep_alive_s == -1
    assert model_object(MODEL, READY, context_tokens=None).keep_alive_s is None


def test_a_failed_load_shows_its_error() -> None:
    failed = ResidentView(
        "org/one", "failed", None, None, None, None, 0, 0, 0, None, None, None, None,
        ErrorInfo("load_failed", "It is damaged.", "Install it again."),
    )  # fmt: skip

    error = model_object(MODEL, failed, context_tokens=4096).error

    assert error is not None
    assert error.model_dump() == {
        "code": "load_failed",
        "message": "It is damaged.",
        "hint": "Install it again.",
    }


@pytest.mark.parametrize(
    ("use", "weights_bytes", "other_bytes"),
    [
        (MemoryUse(500, 0, 500, 800), 500, 300),
        (MemoryUse(700, 400, 900, 100, kv_bytes=60, prefix_bytes=30), 600, 410),
        (MemoryUse(100, 0, 900, 200, kv_bytes=150), 0, 50),
        (MemoryUse(0, 0, 0, 80), 0, 80),
    ],
)
def test_the_parts_of_a_models_memory_always_add_up(
    use: MemoryUse, weights_bytes: int, other_bytes: int
) -> None:
    view = ResidentView(
        "org/one", "ready", 1, SPEC, READY.need, use, 0, 0, 1, None, None, None, None, None
    )

    shown = memory_use(view)

    assert shown is not None
    assert (shown.weights_bytes, shown.other_bytes) == (weights_bytes, other_bytes)
    assert (shown.kv_bytes, shown.prefix_bytes) == (use.kv_bytes, use.prefix_bytes)
    parts = weights_bytes + use.kv_bytes + use.prefix_bytes + other_bytes
    assert shown.total_bytes == parts


def test_a_list_names_its_ends() -> None:
    second = msgspec.structs.replace(MODEL, id="org/two")

    both = model_list(
        [
            model_object(MODEL, None, context_tokens=2048),
            model_object(second, READY, context_tokens=4096),
        ]
    )

    assert (both.first_id, both.last_id, both.has_more) == ("org/one", "org/two", False)
    assert [model.state for model in both.data] == ["not_loaded", "busy"]
    assert [model.max_model_len for model in both.data] == [2048, 4096]
    assert model_list([]).first_id is None


def test_the_manager_shows_who_is_resident_and_who_waits() -> None:
    gone = ResidentView(
        "org/gone", "not_loaded", None, None, None, None, 0, 0, 1, None, None, None, None, None
    )
    waiting = QueuedView("request-1", "org/one", 1, 0.25)
    snapshot = ResidencySnapshot({"org/one": READY, "org/gone": gone}, (waiting,), stopping=False)

    status = manager_status(snapshot, max_loaded_models=3)

    (loaded,) = status.loaded_models
    assert (loaded.id, loaded.pid, loaded.slots, loaded.loads) == ("org/one", 42, 4, 3)
    assert (loaded.weight_form, loaded.context) == ("float32", 4096)
    assert (status.active_requests, status.queued_requests) == (2, 1)
    assert status.queue[0].model_dump() == {
        "request_id": "request-1",
        "model": "org/one",
        "position": 1,
        "waiting_ms": 250.0,
    }


def memory_of(
    reading: MemoryReading, snapshot: ResidencySnapshot, worker_bytes: Mapping[str, int] = {}
) -> MemoryStatus:
    used_bytes = 1_000 if snapshot.models else 0
    return memory_status(
        reading,
        snapshot,
        pressure="normal",
        budget=budget(reading, device=None, limits=BudgetLimits(), models_used_bytes=used_bytes),
        worker_bytes=worker_bytes,
    )


def test_memory_is_split_between_models_others_and_what_is_free() -> None:
    snapshot = ResidencySnapshot({"org/one": READY}, (), stopping=False)

    status = memory_of(MemoryReading(10_000, 4_000, 10_000), snapshot)

    assert status.used_by_models_bytes == 1_000
    assert status.other_apps_bytes == 5_000
    assert (status.total_bytes, status.machine_bytes) == (10_000, 10_000)
    # 4,000 are available and 1,000 ours; a quarter of this small memory stays free.
    assert (status.budget_bytes, status.free_bytes) == (2_500, 1_500)
    assert (status.budget.static_bytes, status.budget.reserve_bytes) == (7_500, 2_500)
    assert status.budget.reason == status.budget.bounds[-1].reason
    assert (status.container, status.pressure) == (None, "normal")
    assert [segment.model_id for segment in status.segments] == ["org/one"]
    assert not status.segments[0].pinned


def test_memory_of_others_is_never_negative() -> None:
    snapshot = ResidencySnapshot({"org/one": READY}, (), stopping=False)

    status = memory_of(MemoryReading(1_200, 400, 1_200), snapshot)

    assert status.other_apps_bytes == 0


def test_a_container_is_shown_with_its_limit_and_swap() -> None:
    reading = MemoryReading(8_000, 6_000, 32_000, container=Container(8_000, 6_000, 1_000))

    status = memory_of(reading, NOTHING)

    assert status.container is not None
    assert status.container.model_dump() == {
        "limit_bytes": 8_000,
        "room_bytes": 6_000,
        "swap_bytes": 1_000,
    }
    assert (status.total_bytes, status.machine_bytes) == (8_000, 32_000)


def test_a_worker_that_loads_has_a_segment_before_it_measures_itself() -> None:
    loading = replace(READY, state="loading", memory=None)
    snapshot = ResidencySnapshot({"org/one": loading}, (), stopping=False)
    reading = MemoryReading(10_000, 4_000, 10_000)

    early = memory_of(reading, snapshot, {"org/one": 400})
    late = memory_of(reading, snapshot, {"org/one": 700, "org/gone": 50})

    assert (early.segments[0].weights_bytes, early.segments[0].other_bytes) == (400, 0)
    assert (late.segments[0].weights_bytes, late.segments[0].other_bytes) == (600, 100)
    assert (late.used_by_models_bytes, late.other_apps_bytes) == (700, 5_300)
    assert memory_of(reading, snapshot).segments == []


def test_a_folder_that_is_not_there_yet_shows_the_disk_it_would_be_on(tmp_path: Path) -> None:
    data, models = folder_statuses(tmp_path, [tmp_path / "not" / "yet"])

    assert (data.use, data.exists, models.use, models.exists) == ("data", True, "models", False)
    assert models.total_bytes == data.total_bytes
    assert data.free_bytes is not None
    assert data.total_bytes is not None
    assert data.total_bytes >= data.free_bytes > 0


def test_times_are_utc() -> None:
    assert utc_time(0.0) == "1970-01-01T00:00:00.000Z"
    assert utc_time(None) is None


def test_the_manager_shows_pins_needs_and_evictions() -> None:
    shown = replace(
        READY,
        pinned=True,
        priority=4,
        keep_alive_s=60.0,
        evictions=2,
        evicted_because="made room for org/two",
        error=ErrorInfo("worker_failed", "It was killed."),
    )
    failed = replace(shown, model_id="org/failed", state="failed", pid=None, spec=None, need=None)
    gone = Left(0.0, "evict", "idle for 5 s", "org/two")
    failed = replace(failed, left=gone)
    waited = replace(failed, model_id="org/two", state="queued", queued=2, waits_because="it waits")
    snapshot = ResidencySnapshot(
        {"org/one": shown, "org/failed": failed, "org/two": waited}, (), stopping=False
    )

    status = manager_status(snapshot, max_loaded_models=3)

    (loaded,), (unloaded,) = status.loaded_models, status.unloaded_models
    (waiting,) = status.waiting
    assert (waiting.id, waiting.state, waiting.queued) == ("org/two", "queued", 2)
    assert (waiting.waits_because, waiting.evictions) == ("it waits", 2)
    assert loaded.need is not None
    assert (loaded.need.total_bytes, loaded.need.load_peak_bytes) == (750, 900)
    assert (loaded.pinned, loaded.priority, loaded.keep_alive_s) == (True, 4, 60.0)
    assert (loaded.evictions, loaded.evicted_because) == (2, "made room for org/two")
    assert loaded.error is not None
    assert loaded.error.message == "It was killed."
    assert (unloaded.id, unloaded.state, unloaded.loads) == ("org/failed", "failed", 3)
    assert unloaded.left is not None
    assert (unloaded.left.action, unloaded.left.cause) == ("evict", "org/two")
    assert unloaded.left.at == "1970-01-01T00:00:00.000Z"
    assert (unloaded.pinned, unloaded.evictions, unloaded.error) == (True, 2, loaded.error)
