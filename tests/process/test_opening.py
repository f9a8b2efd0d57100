"""A real server whose API takes long to import, or cannot be imported."""

import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx
import msgspec

from mlx_gui.core.runtime import RUNTIME_FILE, Runtime
from tests.process.visitor import chat
from tests.support.server import START_DEADLINE_S, STOP_DEADLINE_S, first_start
from tests.support.waiting import wait_until

PROGRAM = """
import sys, time
from pathlib import Path

class Gate:
    def find_spec(self, name, path=None, target=None):
        if name == "mlx_gui.asgi":
            while not (found := list(Path({folder!r}).glob("gate-*"))):
                time.sleep(0.01)
            if found[0].name == "gate-broken":
                raise ImportError("no such API")

sys.meta_path.insert(0, Gate())
from mlx_gui.__main__ import main
main()
"""


@dataclass(frozen=True, slots=True)
class Gated:
    """A server that answers, and imports its API when the test lets it."""

    process: subprocess.Popen[bytes]
    client: httpx.Client
    folder: Path
    log: Path

    def let(self, how: str) -> None:
        """Have the import go on: "open" or "broken"."""
        (self.folder / f"gate-{how}").touch()


@contextmanager
def gated(folder: Path) -> Iterator[Gated]:
    data_dir, log = folder / "data", folder / "server.log"
    shutil.copytree(first_start(), data_dir)
    settings = {"DATA_DIR": str(data_dir), "ENGINE": "fake", "PORT": "0", "WARM_SPARE": "false"}
    with log.open("wb") as output:
        process = subprocess.Popen(
            [sys.executable, "-c", PROGRAM.format(folder=str(folder)), "start"],
            env=os.environ | {f"MLX_GUI_{name}": value for name, value in settings.items()},
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
        )
    try:
        runtime = data_dir / RUNTIME_FILE
        wait_until(runtime.exists, what="runtime.json", deadline_s=START_DEADLINE_S)
        address = msgspec.json.decode(runtime.read_bytes(), type=Runtime).address
        with httpx.Client(base_url=address, timeout=START_DEADLINE_S, trust_env=False) as client:
            yield Gated(process, client, folder, log)
    finally:
        process.kill()
        process.wait()
        print(f"--- {log}\n{log.read_text(errors='replace')}")


def test_requests_that_come_before_the_api_are_answered_when_it_is_there(tmp_path: Path) -> None:
    with gated(tmp_path) as server, ThreadPoolExecutor() as threads:
        assert server.client.get("/health").json()["status"] == "ok"
        early = [
            threads.submit(server.client.get, "/ready"),
            threads.submit(server.client.get, "/nowhere"),
            threads.submit(server.client.post, "/v1/tokenize", content=b"{"),
        ]
        # These came after the others, and are answered.
        for _ in range(10):
            assert server.client.get("/health").status_code == 200
        assert not any(each.done() for each in early)
        server.let("open")

        ready, nowhere, refused = [each.result() for each in early]

        assert ready.status_code in (200, 503)
        assert nowhere.json()["error"]["code"] == "not_found"
        assert refused.status_code in (400, 415)
        wait_until(lambda: server.client.get("/ready").status_code == 200, what="readiness")
        answer = server.client.post("/v1/chat/completions", json=chat("fake/echo", "Hello"))
        assert answer.status_code == 200
        server.process.send_signal(signal.SIGTERM)
        assert server.process.wait(STOP_DEADLINE_S) == 0


def test_a_stop_before_the_api_is_there_is_clean(tmp_path: Path) -> None:
    with gated(tmp_path) as server:
        server.process.send_signal(signal.SIGTERM)

        def stopping() -> bool:
            return server.client.get("/health").json()["status"] == "stopping"

        wait_until(stopping, what="the stop to begin")
        server.let("open")

        assert server.process.wait(STOP_DEADLINE_S) == 0
        assert not (tmp_path / "data" / RUNTIME_FILE).exists()


def test_a_server_whose_api_cannot_be_imported_ends_and_says_why(tmp_path: Path) -> None:
    with gated(tmp_path) as server:
        assert server.client.get("/health").status_code == 200
        server.let("broken")

        assert server.process.wait(STOP_DEADLINE_S) == 1
        assert "unexpected ImportError: no such API" in server.log.read_text()
        assert not (tmp_path / "data" / RUNTIME_FILE).exists()
