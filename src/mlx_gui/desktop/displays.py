"""Whether there is a display for a window, without any library of windows."""

import os
import re
import socket
from collections.abc import Mapping
from pathlib import Path

_ANSWER_S = 3.0
_X_NAME = re.compile(r"(?P<host>[^:]*):(?P<number>\d{1,5})(?:\.\d+)?")
_X_PORT = 6000


def display_problem(variables: Mapping[str, str]) -> str:
    """Why not, as a sentence; empty where one answers. Some libraries abort where none does."""
    wayland, x = variables.get("WAYLAND_DISPLAY", ""), variables.get("DISPLAY", "")
    if not wayland and not x:
        return "There is no display: neither WAYLAND_DISPLAY nor DISPLAY is set."
    if wayland and _answers_wayland(wayland, variables.get("XDG_RUNTIME_DIR", "")):
        return ""
    if x and _answers_x(x):
        return ""
    return f"The display {x or wayland} does not answer."


def _answers_wayland(name: str, folder: str) -> bool:
    return _answers(str(Path(folder or os.sep, name)))


def _answers_x(name: str) -> bool:
    found = _X_NAME.fullmatch(name)
    if found is None:
        return False
    host, number = found["host"], int(found["number"])
    if host in ("", "unix"):
        path = f"/tmp/.X11-unix/X{number}"
        return _answers(path) or _answers(f"\0{path}")
    try:
        with socket.create_connection((host, _X_PORT + number), timeout=_ANSWER_S):
            return True
    except OSError:
        return False


def _answers(path: str) -> bool:
    with socket.socket(socket.AF_UNIX) as client:
        client.settimeout(_ANSWER_S)
        try:
            client.connect(path)
        except OSError:
            return False
    return True
