"""What a second start hands over to the window that is there."""

import errno
import os
import stat
import threading
import time
from collections.abc import Callable
from pathlib import Path

from mlx_gui.desktop.errors import NoWindow
from mlx_gui.desktop.links import LONGEST

PIPE_FILE = "window.pipe"
_WAIT_S = 5.0
_LOOK_AGAIN_S = 0.05


def hand_over(folder: Path, link: str) -> None:
    """Has the window of this data directory come to the front, and follow `link` if there is one.

    One that is only just being started may not listen yet. Raises NoWindow.
    """
    ends_at_s = time.monotonic() + _WAIT_S
    while not _told(folder / PIPE_FILE, link):
        if time.monotonic() > ends_at_s:
            raise NoWindow(
                f"A window of {folder} is there already, and does not answer.",
                hint="Close it, or end its process.",
            )
        time.sleep(_LOOK_AGAIN_S)


def listen(folder: Path, arrived: Callable[[str], None]) -> None:
    """Has `arrived` told of each link, empty for none, on a thread of its own from now on.

    Only for whoever has the lock of the window. Raises NoWindow.
    """
    path = folder / PIPE_FILE
    try:
        path.unlink(missing_ok=True)
        os.mkfifo(path, 0o600)
        # For writing too, else it would be at its end whenever nobody else has it open.
        pipe = os.open(path, os.O_RDWR)
    except OSError as error:
        raise NoWindow(
            f"{path} cannot be made: {error.strerror}.",
            hint="Choose another data directory with --data-dir.",
        ) from error
    threading.Thread(target=_read, args=(pipe, arrived), name="inbox", daemon=True).start()


def _told(path: Path, link: str) -> bool:
    """Whether somebody reads there, and was told."""
    try:
        with open(os.open(path, os.O_WRONLY | os.O_NONBLOCK), "wb", buffering=0) as pipe:
            if not stat.S_ISFIFO(os.fstat(pipe.fileno()).st_mode):
                raise NoWindow(f"{path} is not what it should be.", hint="Remove it.")
            # Short enough to arrive in one piece beside what others hand over.
            return pipe.write(link.encode() + b"\n") is not None
    except OSError as error:
        if error.errno in (errno.ENXIO, errno.ENOENT):
            return False
        raise NoWindow(f"{path} cannot be opened: {error.strerror}.") from error


def _read(pipe: int, arrived: Callable[[str], None]) -> None:
    with os.fdopen(pipe, "rb") as lines:
        while line := lines.readline(4 * LONGEST):
            arrived(line.decode(errors="replace").strip())
