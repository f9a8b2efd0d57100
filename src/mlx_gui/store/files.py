"""Small files of the data directory."""

import os
from pathlib import Path

from mlx_gui.store.errors import named_errors


def replace_file(path: Path, content: bytes) -> None:
    """Writes `path` in one piece and for the owner only; who calls holds the data directory."""
    unfinished = path.with_suffix(".new")
    with named_errors(path):
        unfinished.unlink(missing_ok=True)
        descriptor = os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with open(descriptor, "wb") as file:
            file.write(content)
        unfinished.replace(path)
