"""The tiny models that see, trained on first use and kept between runs.

Nothing here imports MLX: a child process trains.
"""

import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

from filelock import FileLock

from tests.colours.families import FAMILIES
from tests.real.packages import cache, digest_of

_HERE = Path(__file__).parent
_TIMEOUT_S = 3600


def seeing(name: str) -> Path:
    """The folder of the model `name`, one of `FAMILIES`, not to be written to."""
    assert name in FAMILIES, f"{name} is none of {', '.join(FAMILIES)}"
    sources = sorted(_HERE.glob("*.py"))
    digest = digest_of(*(source.read_text(encoding="utf-8") for source in sources))
    kept = cache().with_name("colours") / f"{name}-{digest}"
    kept.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(f"{kept}.lock"):
        if not kept.is_dir():
            with TemporaryDirectory(dir=kept.parent) as unfinished:
                folder = Path(unfinished) / name
                subprocess.run(
                    [sys.executable, "-m", "tests.colours", name, str(folder)],
                    cwd=_HERE.parents[1],
                    check=True,
                    timeout=_TIMEOUT_S,
                )
                folder.rename(kept)
    return kept
