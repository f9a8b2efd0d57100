"""Writes the model: `python -m tests.voices FOLDER`; with `--real` in the shape of the real one."""

import sys
from pathlib import Path

from tests.zoo.backend import prepare_process


def main(folder: Path, *, real: bool) -> None:
    prepare_process()
    from mlx_gui.engines.speech.loading import leave_codecs_out

    leave_codecs_out()
    from tests.voices.pocket import REAL, TINY, build

    build(folder, REAL if real else TINY)


if __name__ == "__main__":
    main(Path(sys.argv[1]), real="--real" in sys.argv)
