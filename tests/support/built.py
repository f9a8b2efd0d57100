"""Models that a child process builds on first use, kept between runs. Imports no MLX."""

import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

from filelock import FileLock

from tests.real.packages import cache, digest_of

_ROOT = Path(__file__).parents[2]


def built(package: str, name: str, *arguments: str, timeout_s: float) -> Path:
    """The folder `name` that `python -m package FOLDER arguments` has filled.

    It is built again when a source of the package has changed, but for `checkpoints.py`, which
    asks for it.
    """
    folder = _ROOT.joinpath(*package.split("."))
    sources = sorted(each for each in folder.glob("*.py") if each.name != "checkpoints.py")
    digest = digest_of(*(source.read_text(encoding="utf-8") for source in sources))
    kept = cache().with_name(package.rpartition(".")[2]) / f"{name}-{digest}"
    kept.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(f"{kept}.lock"):
        if not kept.is_dir():
            with TemporaryDirectory(dir=kept.parent) as unfinished:
                folder = Path(unfinished) / name
                subprocess.run(
                    [sys.executable, "-m", package, str(folder), *arguments],
                    cwd=_ROOT,
                    check=True,
                    timeout=timeout_s,
                )
                folder.rename(kept)
    return kept
