"""Loading and unloading over HTTP, and what `/v1/events` tells of it."""

import json
import os
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from mlx_gui.wire.models import LoadResult, ModelHealth, ModelObject, UnloadResult
from mlx_gui.wire.status import SnapshotEvent, SystemStatus
from tests.support.server import Server

LOAD, UNLOAD, HEALTH = (
    f"/v1/models/fake/slow-load/{word}" for word in ("load", "unload", "health")
)


@pytest.fixture
def client(server: Server) -> Iterator[httpx.Client]:
    with server.client() as client:
        yield client
        client.post(UNLOAD)


def events(answer: httpx.Response) -> Iterator[tuple[str, Any]]:
    name = ""
    for line in answer.iter_lines():
        field, _, value = line.partition(": ")
        if field == "event":
            name = value
        elif field == "data":
            yield name, json.loads(value)


def test_a_load_answers_when_the_model_is_ready_and_an_unload_when_it_is_gone(
    client: httpx.Client,
) -> None:
    first = LoadResult.model_validate_json(client.post(LOAD).content)
    again = LoadResult.model_validate_json(client.post(LOAD).content)
    health = ModelHealth.model_validate_json(client.get(HEALTH).content)
    gone = UnloadResult.model_validate_json(client.post(UNLOAD).content)
    nothing = UnloadResult.model_validate_json(client.post(UNLOAD).content)

    assert (first.model.state, first.already_loaded) == ("ready", False)
    assert first.duration_ms > 0
    assert again.already_loaded
    assert health.healthy
    assert health.ping_ms is not None
    assert (gone.was_loaded, gone.model.state) == (True, "not_loaded")
    assert gone.freed_bytes > 0
    assert (nothing.was_loaded, nothing.freed_bytes) == (False, 0)


def test_a_load_that_nobody_waits_for_goes_on_and_is_told_by_events(client: httpx.Client) -> None:
    with client.stream("GET", "/v1/events") as answer:
        stream = events(answer)
        assert next(stream)[0] == "hello"
        SnapshotEvent.model_validate(next(stream)[1])

        accepted = client.post(LOAD, params={"wait": "false"})
        states: list[str] = []
        progress: list[float] = []
        for name, data in stream:
            if name == "model" and data["id"] == "fake/slow-load":
                model = ModelObject.model_validate(data)
                states.append(model.state)
                progress.append(model.load_progress or 0)
                if model.state == "ready":
                    break

    assert (accepted.status_code, accepted.json()) == (202, {"status": "loading"})
    assert states[-2:] == ["loading", "ready"]
    assert 0 < max(progress) <= 1


def test_a_failed_load_that_nobody_waits_for_is_shown_by_the_model(client: httpx.Client) -> None:
    with client.stream("GET", "/v1/events") as answer:
        assert client.post("/v1/models/broken/load?wait=false").status_code == 202
        failed = next(
            data
            for name, data in events(answer)
            if name == "model" and data["id"] == "fake/broken" and data["state"] == "failed"
        )

    assert failed["error"]["code"] == "load_failed"
    assert "fake/broken" in failed["error"]["message"]


def test_the_system_status_names_device_and_versions(client: httpx.Client, server: Server) -> None:
    status = SystemStatus.model_validate_json(client.get("/v1/system/status").content)

    assert status.server.address == server.address
    assert status.server.pid == server.process.pid != os.getpid()
    assert status.device is not None
    assert {"mlx-gui", "python", "mlx"} <= status.versions.keys()
