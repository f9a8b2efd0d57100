"""A server that can open no file for a while: what it says, what it still does, and its end."""

import json
import resource
import socket
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import psutil
import pytest

from mlx_gui.store.runs import RUNS_FILE
from tests.process.visitor import Visitor, visited_server
from tests.support.waiting import wait_until

pytestmark = pytest.mark.skipif(
    sys.platform != "linux", reason="only Linux changes the limits of another process"
)

DEADLINE_S = 90


def limit(visitor: Visitor, soft: int) -> int:
    """Lets the server have descriptors below `soft` only; returns what it could have before."""
    pid = visitor.server.process.pid
    before, hard = psutil.Process(pid).rlimit(resource.RLIMIT_NOFILE)
    psutil.Process(pid).rlimit(resource.RLIMIT_NOFILE, (soft, hard))
    return before


@contextmanager
def out_of_files(visitor: Visitor) -> Iterator[None]:
    """What the server has open it keeps; it can open nothing meanwhile."""
    before = limit(visitor, 3)
    try:
        yield
    finally:
        limit(visitor, before)


def logged(visitor: Visitor, event: str) -> list[dict[str, Any]]:
    lines = visitor.server.log.read_text(errors="replace").splitlines()
    found = [json.loads(line) for line in lines if line.startswith("{")]
    return [line for line in found if line["event"] == event]


def wait_for(visitor: Visitor, event: str) -> None:
    wait_until(lambda: logged(visitor, event), what=f"{event} in the log", deadline_s=DEADLINE_S)


def samples(visitor: Visitor) -> int:
    series = visitor.client.get("/v1/system/samples", params={"step_s": 10}).raise_for_status()
    return sum(point["total_bytes"] is not None for point in series.json()["points"])


def test_the_server_says_so_goes_on_and_sees_the_memory_again_afterwards(tmp_path: Path) -> None:
    with visited_server(tmp_path) as visitor:
        assert visitor.ask("fake/echo", "hello").status_code == 200
        worker = visitor.worker("fake/echo")
        with out_of_files(visitor):
            wait_for(visitor, "memory_not_told")
            # On the connection that is open, with the worker that is there.
            assert visitor.ask("fake/echo", "hello").status_code == 200
            assert visitor.client.get("/v1/system/status").status_code == 200
            unloaded = visitor.client.post("/v1/models/fake/echo/unload")
            assert unloaded.status_code == 200
            assert not worker.is_running()
            refused = visitor.ask("fake/slow", "hello", max_tokens=1)
            assert refused.status_code == 500
            assert "Too many open files" in refused.json()["error"]["message"]
        wait_for(visitor, "memory_told_again")
        before = samples(visitor)
        wait_until(lambda: samples(visitor) > before, what="another sample", deadline_s=DEADLINE_S)
        assert visitor.ask("fake/slow", "hello", max_tokens=1).status_code == 200
        assert visitor.server.stop() == 0
        assert not logged(visitor, "task_failed")
    assert json.loads((visitor.server.data_dir / RUNS_FILE).read_bytes())["ended"]


def test_a_server_whose_descriptors_clients_have_taken_still_ends_in_order(tmp_path: Path) -> None:
    with visited_server(tmp_path) as visitor, ExitStack() as clients:
        assert visitor.ask("fake/echo", "hello").status_code == 200
        worker = visitor.worker("fake/echo")
        limit(visitor, 80)
        place = urlsplit(visitor.server.address)
        for _ in range(100):
            clients.enter_context(socket.create_connection((place.hostname, place.port)))
        wait_for(visitor, "memory_not_told")
        assert visitor.server.stop() == 0
        assert not worker.is_running()
        assert logged(visitor, "stopped")[0]["tasks_left"] == []
    assert json.loads((visitor.server.data_dir / RUNS_FILE).read_bytes())["ended"]
