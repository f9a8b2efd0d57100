"""A measured mlx-gui server, and a client that only takes the times."""

import http.client
import json
import subprocess
import sysconfig
import time
from collections.abc import Generator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import psutil

from bench.child import ROOT
from bench.timing import Ask, Timing
from mlx_gui.client import Client, read_runtime

_PROGRAM = (str(Path(sysconfig.get_path("scripts"), "mlx-gui")),)
_START_DEADLINE_S = 120
_STOP_DEADLINE_S = 30
_POLL_S = 0.005


class Server:
    """A server on `data_dir` that answers. `started_s` is how long it took to."""

    def __init__(self, process: subprocess.Popen[bytes], address: str, started_s: float) -> None:
        self.started_s = started_s
        self._process = process
        self._netloc = urlsplit(address).netloc
        self.client = Client(address, timeout_s=_START_DEADLINE_S)

    def resident_bytes(self) -> int:
        """What the server's own process holds."""
        return psutil.Process(self._process.pid).memory_info().rss

    def weight_form(self, model: str) -> str:
        """How the worker of a loaded model holds its weights."""
        loaded = {entry.id: entry.weight_form for entry in self.client.manager().loaded_models}
        return loaded[model] or ""

    def ask(self, model: str, ask: Ask) -> Timing:
        """A streamed answer over a connection that is open already.

        Raises ValueError for a prompt that was in a cache: it measures nothing.
        """
        body = {
            "model": model,
            "messages": ask.messages,
            "temperature": 0,
            "max_tokens": ask.max_tokens,
            "stream": True,
            "stream_options": {"include_usage": True},
        }
        content = json.dumps(body)
        connection = http.client.HTTPConnection(self._netloc)
        connection.connect()
        began_s = time.perf_counter()
        connection.request(
            "POST", "/v1/chat/completions", content, {"content-type": "application/json"}
        )
        response = connection.getresponse()
        if response.status != 200:
            raise RuntimeError(response.read().decode())
        times_s: list[float] = []
        usage: dict[str, Any] = {}
        for line in response:
            if not line.startswith(b"data: {"):
                continue
            chunk = json.loads(line.removeprefix(b"data: "))
            if "error" in chunk:
                raise RuntimeError(chunk["error"]["message"])
            if any(choice["delta"].get("content") for choice in chunk["choices"]):
                times_s.append(time.perf_counter() - began_s)
            usage = chunk["usage"] or usage
        connection.close()
        if usage["prompt_tokens_details"]["cached_tokens"]:
            raise ValueError("The prompt was in the cache.")
        return Timing(usage["prompt_tokens"], usage["completion_tokens"], times_s[0], times_s[-1])


@contextmanager
def serving(
    data_dir: Path,
    *flags: str,
    environment: Mapping[str, str],
    answers: str = "/ready",
    program: Sequence[str] = _PROGRAM,
) -> Generator[Server]:
    """`mlx-gui start` with `flags` on a free port, once `answers` does; stopped at the end."""
    command = [*program, "start", "--port", "0", "--data-dir", str(data_dir)]
    began_s = time.perf_counter()
    process = subprocess.Popen(
        [*command, "--log-level", "warning", *flags],
        cwd=ROOT,
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
    )
    try:
        address = _wait_until_answering(process, data_dir, answers)
        yield Server(process, address, time.perf_counter() - began_s)
    finally:
        process.terminate()
        try:
            process.wait(_STOP_DEADLINE_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _wait_until_answering(process: subprocess.Popen[bytes], data_dir: Path, path: str) -> str:
    deadline_s = time.monotonic() + _START_DEADLINE_S
    while time.monotonic() < deadline_s:
        if process.poll() is not None:
            raise RuntimeError(f"The server ended with code {process.returncode}.")
        runtime = read_runtime(data_dir)
        # One of a killed server may lie there still.
        if runtime is not None and runtime.pid == process.pid and _answers(runtime.address, path):
            return runtime.address
        time.sleep(_POLL_S)
    raise RuntimeError(f"The server did not answer {path} in {_START_DEADLINE_S} s.")


def _answers(address: str, path: str) -> bool:
    connection = http.client.HTTPConnection(urlsplit(address).netloc)
    try:
        connection.request("GET", path)
        return connection.getresponse().status == 200
    except OSError:
        return False
    finally:
        connection.close()
