"""A measured mlx-gui server, and a client that only takes the times."""

import http.client
import subprocess
import sysconfig
import time
from collections.abc import Callable, Generator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TypeVar
from urllib.parse import urlsplit

import psutil

from bench.chat import stream_chat
from bench.child import ROOT
from bench.timing import Ask, Timing
from mlx_gui.client import Client, read_runtime
from mlx_gui.server_settings import SERVER_SETTINGS

T = TypeVar("T")

_PROGRAM = (str(Path(sysconfig.get_path("scripts"), "mlx-gui")),)
_START_DEADLINE_S = 120
_STOP_DEADLINE_S = 30
_POLL_S = 0.005


class Server:
    """A server on `data_dir` that answers. `started_s` is how long it took to."""

    def __init__(
        self,
        process: subprocess.Popen[bytes],
        address: str,
        *,
        started_s: float,
        prefix_cache: bool,
    ) -> None:
        self.started_s = started_s
        self._prefix_cache = prefix_cache
        self._process = process
        self._netloc = urlsplit(address).netloc
        self.client = Client(address, timeout_s=_START_DEADLINE_S)

    def resident_bytes(self) -> int:
        """What the server's own process holds."""
        return psutil.Process(self._process.pid).memory_info().rss

    def answers(self, path: str) -> bool:
        """Whether a GET is answered well."""
        return answers_at(self._netloc, path)

    def weight_form(self, model: str) -> str:
        """How the worker of a loaded model holds its weights."""
        loaded = {entry.id: entry.weight_form for entry in self.client.manager().loaded_models}
        return loaded[model] or ""

    def worker_pid(self, model: str) -> int:
        """The process that has a loaded model."""
        pids = {entry.id: entry.pid for entry in self.client.manager().loaded_models}
        pid = pids[model]
        assert pid is not None, "it is loaded"
        return pid

    def await_jobs(self) -> None:
        """Returns when every job is done; raises RuntimeError for one that is not going to be."""

        def all_done() -> bool | None:
            left = [job for job in self.client.jobs().data if job.state != "done"]
            for job in left:
                if job.state not in ("queued", "running"):
                    reason = job.error.message if job.error is not None else job.state
                    raise RuntimeError(f"{job.title}: {reason}")
            return None if left else True

        wait_until(self._process, all_done)

    def ask(self, model: str, ask: Ask, more: Mapping[str, object] = {}) -> Timing:
        """A streamed answer; see `stream_chat`.

        Raises ValueError for a prompt that was in a cache where none should be: it measures
        nothing.
        """
        timing = stream_chat(self._netloc, model, ask, more)
        if timing.cached_tokens and not self._prefix_cache:
            raise ValueError("The prompt was in the cache.")
        return timing


@contextmanager
def serving(
    data_dir: Path,
    *flags: str,
    environment: Mapping[str, str],
    answers: str = "/ready",
    program: Sequence[str] = _PROGRAM,
    prefix_cache: bool = False,
) -> Generator[Server]:
    """`mlx-gui start` with `flags` on a free port, once `answers` does; stopped at the end.

    Without `prefix_cache` a prompt that comes twice is computed twice.
    """
    command = [*program, "start", "--port", "0", "--data-dir", str(data_dir)]
    if not prefix_cache and any(row.name == "prefix_cache_bytes" for row in SERVER_SETTINGS):
        command += ["--prefix-cache-bytes", "0"]
    began_s = time.perf_counter()
    process = subprocess.Popen(
        [*command, "--log-level", "warning", *flags],
        cwd=ROOT,
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
    )
    try:
        address = _wait_until_ready(process, data_dir, answers)
        started_s = time.perf_counter() - began_s
        yield Server(process, address, started_s=started_s, prefix_cache=prefix_cache)
    finally:
        end(process)


def end(process: subprocess.Popen[bytes]) -> None:
    """Asks the program to stop, and stops it if it does not."""
    process.terminate()
    try:
        process.wait(_STOP_DEADLINE_S)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def wait_until(process: subprocess.Popen[bytes], condition: Callable[[], T | None]) -> T:
    """What `condition` returns at last; raises RuntimeError when the program ends before."""
    deadline_s = time.monotonic() + _START_DEADLINE_S
    while time.monotonic() < deadline_s:
        if process.poll() is not None:
            raise RuntimeError(f"A server ended with code {process.returncode}.")
        if found := condition():
            return found
        time.sleep(_POLL_S)
    raise RuntimeError(f"A server did not answer in {_START_DEADLINE_S} s.")


def answers_at(netloc: str, path: str) -> bool:
    """Whether a GET is answered well."""
    connection = http.client.HTTPConnection(netloc)
    try:
        connection.request("GET", path)
        return connection.getresponse().status == 200
    except OSError:
        return False
    finally:
        connection.close()


def _wait_until_ready(process: subprocess.Popen[bytes], data_dir: Path, path: str) -> str:
    def address() -> str | None:
        runtime = read_runtime(data_dir)
        # One of a killed server may lie there still.
        if runtime is None or runtime.pid != process.pid:
            return None
        return runtime.address if answers_at(urlsplit(runtime.address).netloc, path) else None

    return wait_until(process, address)
