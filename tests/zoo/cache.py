"""Checkpoints for tests, built on first use and kept between runs.

Nothing here imports MLX: a child process builds.
"""

import hashlib
import os
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from contextlib import ExitStack
from importlib.metadata import version
from pathlib import Path

from filelock import FileLock

from tests.zoo.families import ADAPTERS, FAMILIES

_ZOO = Path(__file__).parent
_REPOSITORY = _ZOO.parents[1]
# A processor that is slow and shared, and a second attempt at each model.
_BUILD_TIMEOUT_S = 3600


def checkpoint(name: str) -> Path:
    """The folder of the checkpoint `name`, not to be written to."""
    return checkpoints(name)[0]


def checkpoints(*names: str) -> list[Path]:
    """Their folders, in this order; one child builds all that are missing.

    Raises RuntimeError with the child's output when a build fails.
    """
    folder = _folder()
    if bases := {ADAPTERS[name] for name in names if name in ADAPTERS}:
        # The child that trains an adapter finds its base complete, and so asks for no lock.
        checkpoints(*bases)
    if any(name in FAMILIES and not (folder / name).is_dir() for name in names):
        # All that are not trained: a child's imports take longer than what it then does.
        _have(list(FAMILIES), folder)
    _have(names, folder)
    return [folder / name for name in names]


def _have(names: Sequence[str], folder: Path) -> None:
    """Each of `names` is built, by this process or another."""
    if all((folder / name).is_dir() for name in names):
        return
    folder.mkdir(parents=True, exist_ok=True)
    with ExitStack() as locks:
        # In one order everywhere, so that no two processes hold what the other waits for.
        for name in sorted(set(names)):
            locks.enter_context(FileLock(folder / f"{name}.lock"))
        missing = [name for name in dict.fromkeys(names) if not (folder / name).is_dir()]
        if missing:
            _build(missing, folder)


def _folder() -> Path:
    """A folder for this state of the zoo's sources and of the libraries it builds with."""
    digest = hashlib.sha256()
    for library in ("mlx", "mlx-lm", "tokenizers"):
        digest.update(f"{library} {version(library)}\n".encode())
    for source in sorted([*_ZOO.rglob("*.py"), *_ZOO.rglob("*.jinja")]):
        digest.update(source.relative_to(_ZOO).as_posix().encode())
        digest.update(source.read_bytes())
    root = os.environ.get("MLX_GUI_TEST_CACHE") or _REPOSITORY / ".cache" / "zoo"
    return Path(root).absolute() / digest.hexdigest()[:16]


def _build(names: list[str], folder: Path) -> None:
    with tempfile.TemporaryDirectory(dir=folder, prefix="building-") as unfinished:
        child = subprocess.run(
            [sys.executable, "-m", "tests.zoo", *names, "--out", unfinished],
            cwd=_REPOSITORY,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=_BUILD_TIMEOUT_S,
            check=False,
        )
        if child.returncode:
            raise RuntimeError(f"building {', '.join(names)} failed:\n{child.stdout}")
        for name in names:
            (Path(unfinished) / name).rename(folder / name)
