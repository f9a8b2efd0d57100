"""Digests of files, as a hub names them."""

import hashlib
from collections.abc import Callable
from pathlib import Path

from mlx_gui.core.fetching import FetchFile

_CHUNK_BYTES = 4 * 1024 * 1024


class Interrupted(Exception):
    """The work is to end now."""


def digest_of(file: FetchFile, path: Path, *, stopped: Callable[[], bool]) -> str:
    """The digest of what lies at `path`, by the algorithm of `file`. Raises Interrupted."""
    if file.algorithm == "sha256":
        digest = hashlib.sha256()
    else:
        digest = hashlib.sha1(f"blob {file.size_bytes}\0".encode(), usedforsecurity=False)
    with path.open("rb") as content:
        while chunk := content.read(_CHUNK_BYTES):
            if stopped():
                raise Interrupted
            digest.update(chunk)
    return digest.hexdigest()
