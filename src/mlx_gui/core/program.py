"""This program itself: its command line, and whether it is still where it was.

Both for an installed package and for a standalone app.
"""

import os
import sys
from pathlib import Path
from typing import Final

from mlx_gui.core.errors import MlxGuiError, ProgramGone


def is_standalone() -> bool:
    """Whether this process is that of a standalone app, which has its own Python and no other."""
    return bool(getattr(sys, "frozen", False))


def own_command(*arguments: str) -> list[str]:
    """What starts this program once more; a standalone app has no `python -m` and starts itself."""
    # -P: else modules that lie in the current folder would be imported, and so run.
    start = [] if is_standalone() else ["-P", "-m", "mlx_gui"]
    return [sys.executable, *start, *arguments]


def standalone_folder() -> Path | None:
    """Where a standalone app has what it carries; None for every other installation."""
    folder = getattr(sys, "_MEIPASS", None)
    return Path(folder) if is_standalone() and folder is not None else None


def explained(error: MlxGuiError) -> MlxGuiError:
    """`error`, or a ProgramGone that says besides that this program is not what or where it was."""
    why = why_gone()
    if why is None:
        return error
    reason, hint = why
    return ProgramGone(f"{error.message.rstrip('.')}. {reason}", hint=hint, details=error.details)


def why_gone() -> tuple[str, str] | None:
    """That this program is not what or where it was when it began, and what to do about that.

    Both as sentences; None where it is there as it was.
    """
    own = _own_place()
    gone = next((place for place in (sys.executable, own) if not Path(place).exists()), None)
    if gone is not None:
        return (
            f"{gone} was moved or removed since the server started.",
            "Put it back, or start mlx-gui again from where it is.",
        )
    if _identity() != _BEGUN_AS:
        return (
            f"{own} was replaced since the server started, as by an upgrade.",
            "Start mlx-gui again.",
        )
    return None


def _own_place() -> str:
    """This file; of a standalone app, whose modules are no files, its folder."""
    return str(standalone_folder() or __file__)


def _identity() -> tuple[int, int, int] | None:
    """Differs where another version lies in the place of this one; None where none does."""
    try:
        found = os.stat(sys.executable if is_standalone() else __file__)
    except OSError:
        return None
    return found.st_dev, found.st_ino, found.st_mtime_ns


_BEGUN_AS: Final = _identity()
