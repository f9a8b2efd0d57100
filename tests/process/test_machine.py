"""The machine as a real server shows it, and the samples that it keeps."""

from pathlib import Path

import httpx
import psutil
import pytest

from mlx_gui.store.samples import SAMPLES_FILE
from mlx_gui.wire.samples import SampleSeries
from mlx_gui.wire.status import SystemStatus
from tests.support.server import running_server
from tests.support.waiting import wait_until


def system(client: httpx.Client) -> SystemStatus:
    return SystemStatus.model_validate_json(client.get("/v1/system/status").content)


def known_moments(client: httpx.Client) -> int:
    """How many steps of the last hour have a sample."""
    series = SampleSeries.model_validate_json(client.get("/v1/system/samples").content)
    return sum(point.total_bytes is not None for point in series.points)


def test_the_status_shows_this_machine_and_what_a_worker_takes_of_it(tmp_path: Path) -> None:
    with running_server(tmp_path) as server, server.client() as client:
        empty = system(client)
        assert client.post("/v1/models/fake/echo/load").status_code == 200

        def shown() -> bool:
            return [segment.model_id for segment in system(client).memory.segments] == ["fake/echo"]

        wait_until(shown, what="the worker to be shown in memory")
        loaded = system(client)

    assert empty.memory.segments == []
    assert empty.memory.machine_bytes == psutil.virtual_memory().total
    assert empty.memory.total_bytes <= empty.memory.machine_bytes
    assert empty.machine.cores == psutil.cpu_count()
    assert {folder.use for folder in empty.folders} >= {"data"}
    budget = loaded.memory.budget
    assert budget.now_bytes == loaded.memory.budget_bytes <= budget.static_bytes
    assert loaded.memory.used_by_models_bytes > 0


@pytest.mark.soak
def test_samples_outlive_a_killed_server_and_a_damaged_file_is_begun_anew(tmp_path: Path) -> None:
    path = tmp_path / "data" / SAMPLES_FILE
    with running_server(tmp_path) as server, server.client() as client:
        wait_until(lambda: known_moments(client), what="the first sample")
        server.process.kill()
        server.process.wait()
    with running_server(tmp_path) as server, server.client() as client:
        wait_until(lambda: known_moments(client) >= 2, what="a sample besides the one before")
    path.write_bytes(b"broken" * 4096)
    with running_server(tmp_path) as server, server.client() as client:
        wait_until(lambda: known_moments(client) == 1, what="the first sample of a new file")
    assert path.with_name(f"{SAMPLES_FILE}.damaged").exists()
