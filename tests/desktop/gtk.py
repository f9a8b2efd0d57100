"""What a window needs beside the test environment: pywebview, and WebKit of GTK of the system."""

import os
import subprocess
import sys
from pathlib import Path

from filelock import FileLock

_REPOSITORY = Path(__file__).parents[2]
_FOLDER = _REPOSITORY / ".cache" / "window"
_OF_SYSTEM = "/usr/lib/python3/dist-packages"
_TRIAL = """
import gi
gi.require_version("Gtk", "3.0")
gi.require_version("WebKit2", "4.1")
from gi.repository import WebKit2
import webview
"""


class NotInstalled(Exception):
    """The message is what was said last."""


def module_path(requirement: str) -> str:
    """What PYTHONPATH needs; pywebview is installed by pip, into a folder of its own.

    Raises NotInstalled, also where the system's packages are of another Python than this one.
    """
    with FileLock(f"{_made(_FOLDER)}.lock"):
        if not (_FOLDER / "webview").is_dir():
            _run(["-m", "pip", "install", "--quiet", "--target", str(_FOLDER), requirement], {})
    path = f"{_FOLDER}:{_OF_SYSTEM}"
    _run(["-c", _TRIAL], {"PYTHONPATH": path})
    return path


def _made(folder: Path) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def _run(arguments: list[str], environment: dict[str, str]) -> None:
    done = subprocess.run(
        [sys.executable, *arguments],
        env={**os.environ, **environment},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    if done.returncode != 0:
        raise NotInstalled(done.stdout.strip().rpartition("\n")[2])
