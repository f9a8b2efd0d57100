"""This program's own command line, for an installed package and for a standalone app."""

import sys
from pathlib import Path


def is_standalone() -> bool:
    """Whether this process is that of a standalone app, which has its own Python and no other."""
    return bool(getattr(sys, "frozen", False))


def own_command(*arguments: str) -> list[str]:
    """What starts this program once more; a standalone app has no `python -m` and starts itself."""
    # -P: else modules that lie in the current folder would be imported, and so run.
    start = [] if is_standalone() else ["-P", "-m", "mlx_gui"]
    return [sys.executable, *start, *arguments]


def why_not_started() -> str:
    """What to do where `own_command` could not be started; empty where nothing is known."""
    if Path(sys.executable).exists():
        return ""
    return f"{sys.executable} was moved or removed since the server started: start it again."


def standalone_folder() -> Path | None:
    """Where a standalone app has what it carries; None for every other installation."""
    folder = getattr(sys, "_MEIPASS", None)
    return Path(folder) if is_standalone() and folder is not None else None
