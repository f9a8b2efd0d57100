"""Trains a model: `python -m tests.colours NAME FOLDER`."""

import sys
from pathlib import Path

from tests.zoo.backend import prepare_process


def main(name: str, folder: Path) -> None:
    prepare_process()
    from tests.colours.training import train

    train(name, folder)


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]))
