"""Builds checkpoints: `python -m tests.zoo NAME... [--out DIR]`, each into DIR/NAME."""

import argparse
import os
import sys
from pathlib import Path

from mlx_gui.core.worker_env import worker_environment
from tests.zoo.backend import prepare_process


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.zoo")
    parser.add_argument(
        "names", nargs="+", metavar="NAME", help="a family, one plus '-trained', or an adapter"
    )
    parser.add_argument("--out", type=Path, default=Path(), metavar="DIR")
    arguments = parser.parse_args()

    # With it the BLAS takes the processor for what it is, and training for a quarter less.
    os.environ.update(worker_environment(sys.platform))
    prepare_process()
    from tests.zoo.checkpoints import build

    for name in arguments.names:
        build(name, arguments.out / name)


if __name__ == "__main__":
    main()
