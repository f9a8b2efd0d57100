"""runtime.json: where the server of a data directory can be reached."""

from pathlib import Path

import msgspec
import psutil

from mlx_gui.core.runtime import RUNTIME_FILE, Runtime
from mlx_gui.store.files import replace_file


def publish(data_dir: Path, runtime: Runtime) -> None:
    """Writes the file; who calls holds the data directory."""
    replace_file(data_dir / RUNTIME_FILE, msgspec.json.encode(runtime))


def withdraw(data_dir: Path) -> None:
    """Removes the file at the server's end."""
    (data_dir / RUNTIME_FILE).unlink(missing_ok=True)


def running(data_dir: Path) -> Runtime | None:
    """What the server on `data_dir` left, or None when the one that left it has ended.

    A process id can be taken by another program: that the server answers at its address is proof.
    """
    try:
        content = (data_dir / RUNTIME_FILE).read_bytes()
        runtime = msgspec.json.decode(content, type=Runtime)
    except (OSError, msgspec.DecodeError):
        return None
    return runtime if psutil.pid_exists(runtime.pid) else None
