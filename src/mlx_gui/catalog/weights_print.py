"""Whether two folders have the same weights, without reading all of them."""

import hashlib
import os
from pathlib import Path

from mlx_gui.core.regular_file import open_regular
from mlx_gui.kinds.registry import has_weights

_SAMPLES, _SAMPLE_BYTES = 64, 4096


def weights_print(folder: Path) -> str:
    """The same for two folders with the same weights.

    Names and sizes of all files of weights go into it, and of each 64 pieces from its beginning to
    its end. What cannot be read is like nothing else.
    """
    found = hashlib.sha256()
    try:
        for name in sorted(os.listdir(folder)):
            if has_weights((name,)):
                found.update(f"{name}\0{_pieces(folder / name)}\0".encode())
    except OSError as error:
        return f"{folder}: {error}"
    return found.hexdigest()


def _pieces(file: Path) -> str:
    """The size of a file, and a digest of pieces of it."""
    found = hashlib.sha256()
    with open_regular(file) as opened:
        size_bytes = os.fstat(opened.fileno()).st_size
        last = max(size_bytes - _SAMPLE_BYTES, 0)
        for number in range(_SAMPLES):
            opened.seek(last * number // (_SAMPLES - 1))
            found.update(opened.read(_SAMPLE_BYTES))
    return f"{size_bytes} {found.hexdigest()}"
