"""The servers of mlx-lm and mlx-vlm, measured beside mlx-gui."""

import socket
import subprocess
import sys
import tempfile
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Literal

from bench.chat import stream_chat
from bench.child import ROOT
from bench.server import answers_at, end, wait_until
from bench.timing import Ask, Timing

Program = Literal["mlx_lm", "mlx_vlm"]
# What mlx-vlm brings would change mlx-gui's own environment: OpenCV has a BLAS of its own.
_OTHER_PYTHON = ROOT / ".venv-bench" / "bin" / "python"


class Peer:
    """A running server that holds one model."""

    def __init__(self, netloc: str, model: str) -> None:
        self._netloc = netloc
        self._model = model

    def ask(self, ask: Ask, more: Mapping[str, object] = {}) -> Timing:
        """A streamed answer; see `stream_chat`."""
        return stream_chat(self._netloc, self._model, ask, more)


@contextmanager
def serving_peer(
    program: Program, folder: Path, *, environment: Mapping[str, str], blas: str | None
) -> Generator[Peer]:
    """The server `program` with the model in `folder`; `blas` is opened before MLX."""
    python = sys.executable if program == "mlx_lm" else str(_OTHER_PYTHON)
    if not Path(python).exists():
        raise RuntimeError("mlx-vlm is not installed: scripts/setup.sh --bench")
    port = _free_port()
    command = [
        *(python, "-m", "bench.peer"),
        *(("--blas", blas) if blas else ()),
        *(program, "--model", str(folder), "--port", str(port), "--host", "127.0.0.1"),
        *("--log-level", "ERROR"),
    ]
    netloc = f"127.0.0.1:{port}"
    with tempfile.TemporaryFile() as log:
        process = subprocess.Popen(
            command, cwd=ROOT, env=environment, stdin=subprocess.DEVNULL, stdout=log, stderr=log
        )
        try:
            try:
                wait_until(process, partial(answers_at, netloc, "/health"))
            except RuntimeError as error:
                log.seek(0)
                raise RuntimeError(f"{program}: {error}\n{log.read().decode()[-2000:]}") from error
            yield Peer(netloc, str(folder))
        finally:
            end(process)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]
