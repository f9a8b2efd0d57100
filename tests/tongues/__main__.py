"""Trains the model: `python -m tests.tongues FOLDER`."""

import sys
from pathlib import Path

from tests.zoo.backend import prepare_process


def main(folder: Path) -> None:
    prepare_process()
    from tests.tongues.whisper import train

    folder.mkdir(parents=True)
    train(folder)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
