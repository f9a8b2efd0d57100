"""Trains the model: `python -m tests.tones FOLDER`."""

import sys
from pathlib import Path

from tests.zoo.backend import prepare_process


def main(folder: Path) -> None:
    prepare_process()
    from tests.tones.parakeet import train
    from tests.zoo.exam import until_learnt

    folder.mkdir(parents=True)
    until_learnt(folder.name, lambda attempt: train(folder, attempt))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
