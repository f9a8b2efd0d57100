"""Tiny encoders, built on first use in a child and kept between runs. Imports no MLX."""

import hashlib
import os
import subprocess
import sys
import tempfile
from functools import cache
from importlib.metadata import version
from pathlib import Path

from filelock import FileLock

_HERE = Path(__file__).parent
_REPOSITORY = _HERE.parents[1]
_BUILD_TIMEOUT_S = 600


@cache
def encoder(name: str) -> Path:
    """The folder of the checkpoint `name`, not to be written to."""
    return _all() / name


def _all() -> Path:
    """All are built at once: that takes seconds."""
    digest = hashlib.sha256()
    for library in ("mlx", "mlx-vlm", "tokenizers"):
        digest.update(f"{library} {version(library)}\n".encode())
    for source in [*sorted(_HERE.glob("*.py")), _HERE.parent / "zoo" / "tokenization.py"]:
        digest.update(source.read_bytes())
    root = Path(os.environ.get("MLX_GUI_TEST_CACHE") or _REPOSITORY / ".cache" / "zoo").absolute()
    folder = root / f"encoders-{digest.hexdigest()[:16]}"
    root.mkdir(parents=True, exist_ok=True)
    with FileLock(root / "encoders.lock"):
        if not folder.is_dir():
            with tempfile.TemporaryDirectory(dir=root, prefix="building-") as unfinished:
                _build(Path(unfinished) / "whole")
                (Path(unfinished) / "whole").rename(folder)
    return folder


def _build(folder: Path) -> None:
    child = subprocess.run(
        [sys.executable, "-m", "tests.encoders.build", str(folder)],
        cwd=_REPOSITORY,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=_BUILD_TIMEOUT_S,
        check=False,
    )
    if child.returncode:
        raise RuntimeError(f"building the encoders failed:\n{child.stdout}")
