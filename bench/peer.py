"""Another project's server: python -m bench.peer [--blas FILE] PROGRAM ARGUMENT…

As installed, or in the state that mlx-gui gives its workers. Runs where mlx-gui is not installed.
"""

import argparse
import ctypes
import runpy
import sys


def main() -> None:
    """Become `PROGRAM.server`."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--blas", help="a library to open before MLX; also means no compiling")
    parser.add_argument("program")
    parser.add_argument("arguments", nargs=argparse.REMAINDER)
    arguments = parser.parse_args()
    if arguments.blas:
        ctypes.CDLL(arguments.blas, mode=ctypes.RTLD_GLOBAL)

        import mlx.core as mx

        mx.disable_compile()
    module = f"{arguments.program}.server"
    sys.argv = [module, *arguments.arguments]
    runpy.run_module(module, run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    main()
