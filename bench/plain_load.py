"""A load by plain mlx-lm as a measured program, everything imported before; see `bench.child`."""

import argparse
import ctypes
import time

from bench.child import converse
from bench.timing import Ask, Timing


def main() -> None:
    """Load the folder once for each question; `first_s` is how long that took."""
    parser = argparse.ArgumentParser()
    parser.add_argument("folder")
    parser.add_argument("--blas", help="a library to open before MLX; also means no compiling")
    arguments = parser.parse_args()
    if arguments.blas:
        ctypes.CDLL(arguments.blas, mode=ctypes.RTLD_GLOBAL)

    import mlx.core as mx
    from mlx_lm import load

    if arguments.blas:
        mx.disable_compile()

    def answer(_: Ask) -> Timing:
        began_s = time.perf_counter()
        load(arguments.folder)
        took_s = time.perf_counter() - began_s
        return Timing(0, 0, took_s, took_s)

    converse(answer)


if __name__ == "__main__":
    main()
