"""Writes the model: `python -m tests.voices FOLDER`."""

import sys
from pathlib import Path

from tests.zoo.backend import prepare_process


def main(folder: Path) -> None:
    prepare_process()
    from mlx_gui.engines.speech.loading import leave_codecs_out

    leave_codecs_out()
    from tests.voices.pocket import build

    build(folder)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
