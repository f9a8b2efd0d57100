"""A server as an installed program starts it, of this very environment or of another."""

import signal
import subprocess
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

import httpx
import msgspec

from mlx_gui.core.runtime import RUNTIME_FILE, Runtime
from tests.support.waiting import wait_until

DEADLINE_S = 180.0


class Running:
    """A server of `data_dir`; `began_s` is when it was started, by the monotonic clock."""

    def __init__(self, process: subprocess.Popen[bytes], data_dir: Path) -> None:
        self.began_s = time.monotonic()
        self.process = process
        self._file = data_dir / RUNTIME_FILE

    def client(self) -> httpx.Client:
        """Once it answers."""
        wait_until(self._published, what="the server", deadline_s=DEADLINE_S)
        runtime = msgspec.json.decode(self._file.read_bytes(), type=Runtime)
        return httpx.Client(base_url=runtime.address, timeout=DEADLINE_S, trust_env=False)

    def _published(self) -> bool:
        assert self.process.poll() is None
        return self._file.exists()


@contextmanager
def running_program(
    command: Sequence[str | Path], folder: Path, *, environment: Mapping[str, str]
) -> Iterator[Running]:
    """`command` with what makes it a server whose data lies in `folder`; it must end well."""
    data_dir, log = folder / "data", folder / "log"
    with log.open("wb") as output:
        process = subprocess.Popen(
            [*command, "--port", "0", "--data-dir", data_dir],
            env=environment,
            cwd=folder,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
        )
    try:
        yield Running(process, data_dir)
        process.send_signal(signal.SIGTERM)
        assert process.wait(DEADLINE_S) == 0
    finally:
        process.kill()
        process.wait()
        print(log.read_text(errors="replace"))
