"""Status and events of a server on which nothing is loaded."""

import json
import threading
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import httpx
import msgspec
import pytest

from mlx_gui.api.manage.status.translate import folder_statuses
from mlx_gui.version import __version__
from mlx_gui.wire.models import ModelHealth, ModelList, ModelObject
from mlx_gui.wire.status import (
    FolderStatus,
    HelloEvent,
    ManagerStatus,
    MemoryStatus,
    SnapshotEvent,
    SystemStatus,
)
from tests.unit.api.parts import DEADLINE_S, MODEL, Shelf, application, config, services, serving

TWO = msgspec.structs.replace(MODEL, id="org/two")
BROKEN = msgspec.structs.replace(MODEL, id="org/broken", problem="Its weights are missing.")


@pytest.fixture
def shelf() -> Shelf:
    return Shelf(MODEL, BROKEN)


@pytest.fixture
def server(tmp_path: Path, shelf: Shelf) -> Iterator[httpx.Client]:
    """A server on which a rescan finds a second model instead of the broken one."""
    parts = services(config(tmp_path), shelf=shelf)

    def find_others() -> None:
        shelf.present = [MODEL, TWO]
        parts.bus.publish("models")
        parts.bus.publish("memory")
        parts.bus.publish("manager")

    shelf.on_rescan = find_others
    with serving(application(parts)) as address, httpx.Client(base_url=address) as client:
        yield client


def events(lines: Iterator[str]) -> Iterator[tuple[str, str, Any]]:
    """Name, id and data of each event."""
    fields: dict[str, str] = {}
    for line in lines:
        if line:
            name, _, value = line.partition(": ")
            fields[name] = value
        elif "data" in fields:
            yield fields["event"], fields["id"], json.loads(fields["data"])
            fields = {}


def test_health_and_readiness_are_told(server: httpx.Client) -> None:
    expected = {"status": "ok", "version": __version__}

    assert server.get("/health").json() == expected
    assert server.get("/ready").json() == expected


def test_the_system_status_is_whole_before_the_device_is_known(
    server: httpx.Client, tmp_path: Path
) -> None:
    status = SystemStatus.model_validate_json(server.get("/v1/system/status").content)

    assert status.device is None
    assert status.server.data_dir == str(tmp_path)
    assert status.disk.total_bytes > status.disk.free_bytes > 0
    assert status.memory.total_bytes >= status.memory.budget_bytes > 0
    assert status.memory.budget.static_bytes >= status.memory.budget.now_bytes
    assert status.memory.budget.reason in {bound.reason for bound in status.memory.budget.bounds}
    assert status.machine.system
    assert status.server.addresses == [status.server.address]
    assert [folder.path for folder in status.folders] == [
        str(tmp_path),
        *status.server.model_dirs,
    ]
    assert status.versions["mlx-gui"] == __version__


def test_the_manager_has_nothing_loaded(server: httpx.Client) -> None:
    status = ManagerStatus.model_validate_json(server.get("/v1/manager/status").content)

    assert (status.loaded_models, status.queue, status.max_loaded_models) == ([], [], 3)


@pytest.mark.parametrize("path", ["/v1/models/org/one", "/v1/models/org%2Fone"])
def test_a_model_is_found_by_its_id_in_the_path(server: httpx.Client, path: str) -> None:
    assert ModelObject.model_validate_json(server.get(path).content).id == "org/one"


def test_a_model_that_is_not_loaded_is_not_healthy(server: httpx.Client) -> None:
    health = ModelHealth.model_validate_json(server.get("/v1/models/org/one/health").content)

    assert (health.state, health.healthy, health.ping_ms) == ("not_loaded", False, None)
    assert health.reason == "org/one is not loaded."


def test_a_rescan_answers_what_is_there_now(server: httpx.Client) -> None:
    listed = ModelList.model_validate_json(server.post("/v1/models/rescan").content)

    assert [model.id for model in listed.data] == ["org/one", "org/two"]
    assert server.get("/v1/models").json() == listed.model_dump()


def test_events_begin_with_everything_and_go_on_with_what_changed(server: httpx.Client) -> None:
    with server.stream("GET", "/v1/events") as answer:
        stream = events(answer.iter_lines())
        hello = next(stream)
        snapshot = next(stream)
        server.post("/v1/models/rescan")
        changes = [next(stream) for _ in range(5)]

    assert hello[0] == "hello"
    assert HelloEvent.model_validate(hello[2]).boot_id == "boot"
    assert snapshot[0] == "snapshot"
    shown = SnapshotEvent.model_validate(snapshot[2])
    assert [model.id for model in shown.models or ()] == ["org/one", "org/broken"]
    assert shown.manager == ManagerStatus.model_validate(snapshot[2]["manager"])
    assert shown.manager.max_loaded_models == 3
    assert shown.system is not None
    assert shown.system.versions["mlx-gui"] == __version__
    assert shown.memory is not None
    assert shown.memory.total_bytes > 0
    assert [name for name, _, _ in changes] == [
        "model_removed",
        "model",
        "model",
        "memory",
        "manager",
    ]
    assert changes[0][2] == {"id": "org/broken"}
    assert ModelObject.model_validate(changes[2][2]).id == "org/two"
    MemoryStatus.model_validate(changes[3][2])
    ids = [hello[1], snapshot[1], *(event_id for _, event_id, _ in changes)]
    assert ids == [f"boot-{number}" for number in range(1, 8)]


def test_whoever_follows_one_topic_is_told_of_that_alone(server: httpx.Client) -> None:
    with server.stream("GET", "/v1/events?topics=manager,memory") as answer:
        stream = events(answer.iter_lines())
        assert next(stream)[0] == "hello"
        shown = SnapshotEvent.model_validate(next(stream)[2])
        server.post("/v1/models/rescan")
        changes = [next(stream)[0] for _ in range(2)]

    assert (shown.models, shown.system) == (None, None)
    assert shown.manager is not None
    assert shown.memory is not None
    assert changes == ["memory", "manager"]


@pytest.mark.parametrize("topics", ["weather", "models,weather", ""])
def test_a_topic_that_is_not_known_is_refused_with_the_list(
    server: httpx.Client, topics: str
) -> None:
    answer = server.get("/v1/events", params={"topics": topics})

    assert answer.status_code == 400
    error = answer.json()["error"]
    assert error["param"] == "topics"
    assert "There is no topic" in error["message"]
    assert "models, memory, manager, system" in answer.text


def test_a_disk_that_sleeps_holds_up_nothing_and_is_told_when_it_wakes(
    server: httpx.Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    awake = threading.Event()

    def sleepy(data_dir: Path, model_dirs: Iterable[Path]) -> list[FolderStatus]:
        assert awake.wait(DEADLINE_S)
        return folder_statuses(data_dir, model_dirs)

    monkeypatch.setattr("mlx_gui.api.manage.present.folder_statuses", sleepy)
    with server.stream("GET", "/v1/events") as answer:
        stream = events(answer.iter_lines())
        assert next(stream)[0] == "hello"
        shown = SnapshotEvent.model_validate(next(stream)[2])
        awake.set()
        name, _, data = next(stream)

    assert shown.system is None
    assert shown.models is not None
    assert name == "system"
    assert SystemStatus.model_validate(data).folders
