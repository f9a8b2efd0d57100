"""How a test's child process prepares for MLX on a processor."""

import ctypes
import os


def prepare_process() -> None:
    """Makes MLX quick and quiet here; takes effect only before the first import of `mlx.core`."""
    os.environ.update(
        HF_HUB_OFFLINE="1",
        MLX_DISABLE_COMPILE="1",
        OPENBLAS_NUM_THREADS="1",
        TRANSFORMERS_VERBOSITY="error",
    )
    try:
        # Symbols of a library opened globally win over those of the slow BLAS that MLX brings.
        ctypes.CDLL("libopenblas.so.0", mode=ctypes.RTLD_GLOBAL)
    except OSError:
        return
