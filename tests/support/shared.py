"""What all processes of one run of the tests share."""

import atexit
import os
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory

_VARIABLE = "SHARED_BY_THE_TESTS"


def begin_to_share() -> None:
    """Has all processes that this one starts from now on share its folder."""
    os.environ[_VARIABLE] = str(shared_folder())


def shared_folder() -> Path:
    """A folder that goes when the process that began to share ends; its own where nobody began."""
    return Path(os.environ.get(_VARIABLE) or _own_folder().name)


@cache
def _own_folder() -> TemporaryDirectory[str]:
    """Kept for as long as this process lives."""
    folder = TemporaryDirectory(prefix="mlx-gui-tests-")
    atexit.register(folder.cleanup)
    return folder
