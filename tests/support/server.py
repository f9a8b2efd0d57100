"""The real server in a process of its own, as a user starts it."""

import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory

import httpx
import msgspec
from filelock import FileLock

from mlx_gui.core.runtime import RUNTIME_FILE, Runtime
from mlx_gui.store.database import DATABASE_FILE
from tests.support.nursery import Forked, forked
from tests.support.offspring import SERVER
from tests.support.shared import shared_folder
from tests.support.waiting import wait_until

START_DEADLINE_S = 180.0
STOP_DEADLINE_S = 120.0
PROGRAM = ("-m", "mlx_gui")
"""Arguments of the interpreter, for a server that is to begin as a user's does."""


@dataclass(frozen=True, slots=True)
class Server:
    """A server that was ready when the test got it. `log` has all that it wrote."""

    address: str
    token: str
    data_dir: Path
    log: Path
    process: subprocess.Popen[bytes] | Forked

    def client(self) -> httpx.Client:
        """An HTTP client of this server that waits as long as a slow machine may need."""
        return httpx.Client(base_url=self.address, timeout=60, trust_env=False)

    def stop(self) -> int:
        """Ends the server as a user would; returns its exit code."""
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(STOP_DEADLINE_S)


@contextmanager
def running_server(
    folder: Path,
    *,
    engine: str = "fake",
    settings: Mapping[str, object] | None = None,
    program: Sequence[str] | None = None,
    flags: Sequence[str] = (),
) -> Iterator[Server]:
    """A ready server on a free port, its data under `folder`; `settings` are by their names.

    None leaves one to the server. Where a fork can become the server it has imported itself before,
    unless a `program` is named. It finds what an earlier one has learnt of this machine. At the end
    it must stop cleanly, unless the test has ended it. Its log is printed, so that it is shown
    where a test fails.
    """
    data_dir = folder / "data"
    if not data_dir.exists():
        shutil.copytree(first_start(), data_dir)
    wanted = {"engine": engine, **(settings or {})}
    log = folder / "server.log"
    with _started(data_dir, log, wanted, program=program, flags=flags) as server:
        yield server


@cache
def first_start() -> Path:
    """What the first server on a machine leaves, in a data directory not to be written to.

    It made the database, asked a child what the machine is, and tried and built the BLAS, which
    takes longer than most tests.
    """
    kept = shared_folder() / "first-start"
    with FileLock(f"{kept}.lock"):
        if not kept.is_dir():
            with TemporaryDirectory(dir=kept.parent) as folder:
                _start_first(Path(folder)).rename(kept)
    return kept


def _start_first(folder: Path) -> Path:
    data_dir, left = folder / "data", folder / "left"
    settings = {"engine": "mlx", "model_dirs": folder}
    with _started(data_dir, folder / "server.log", settings, program=PROGRAM):
        pass
    left.mkdir()
    shutil.copy(data_dir / DATABASE_FILE, left)
    shutil.copytree(data_dir / "cache", left / "cache")
    return left


@contextmanager
def _started(
    data_dir: Path,
    log: Path,
    settings: Mapping[str, object],
    *,
    program: Sequence[str] | None = None,
    flags: Sequence[str] = (),
) -> Iterator[Server]:
    process = _begun(
        program, ["start", *flags], _environment(data_dir, {"port": 0, **settings}), log
    )
    try:
        runtime = _wait_until_ready(process, data_dir, log)
        server = Server(runtime.address, runtime.token, data_dir, log, process)
        yield server
        if process.poll() is None:
            assert server.stop() == 0, "the server did not end cleanly"
    finally:
        if process.poll() is None:
            process.kill()
            process.wait()
        print(f"--- {log}\n{log.read_text(errors='replace')}")


def _begun(
    program: Sequence[str] | None, arguments: list[str], environment: dict[str, str], log: Path
) -> subprocess.Popen[bytes] | Forked:
    with log.open("wb") as output, Path(os.devnull).open("rb") as nothing:
        if program is None and sys.platform == "linux":
            streams = [nothing.fileno(), output.fileno(), output.fileno()]
            return forked(
                arguments,
                environment=environment,
                descriptors=streams,
                entry=SERVER,
                with_mlx=environment["MLX_GUI_ENGINE"] != "fake",
            )
        return subprocess.Popen(
            [sys.executable, *(program or PROGRAM), *arguments],
            env=environment,
            stdin=nothing,
            stdout=output,
            stderr=subprocess.STDOUT,
        )


def _environment(data_dir: Path, settings: Mapping[str, object]) -> dict[str, str]:
    inherited = {
        name: value for name, value in os.environ.items() if not name.startswith("MLX_GUI_")
    }
    # A spare would double the processes of every test, and tests say when folders are searched.
    settings = {"warm_spare": False, "watch_s": 0, **settings}
    ours = {
        f"MLX_GUI_{name.upper()}": str(value)
        for name, value in settings.items()
        if value is not None
    }
    return {**inherited, **ours, "MLX_GUI_DATA_DIR": str(data_dir)}


def _wait_until_ready(
    process: subprocess.Popen[bytes] | Forked, data_dir: Path, log: Path
) -> Runtime:
    path = data_dir / RUNTIME_FILE

    def alive() -> None:
        assert process.poll() is None, f"the server ended at once:\n{log.read_text()}"

    def published() -> bool:
        alive()
        # One of a killed server may lie there still.
        return path.exists() and _read(path).pid == process.pid

    wait_until(published, what="runtime.json", deadline_s=START_DEADLINE_S)
    runtime = _read(path)
    with httpx.Client(
        base_url=runtime.address, timeout=START_DEADLINE_S, trust_env=False
    ) as client:

        def ready() -> bool:
            alive()
            return client.get("/ready").status_code == 200

        wait_until(ready, what="the server to be ready", deadline_s=START_DEADLINE_S)
    return runtime


def _read(path: Path) -> Runtime:
    return msgspec.json.decode(path.read_bytes(), type=Runtime)
