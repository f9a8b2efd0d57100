"""Which of MLX's names mean functions of our own on a processor."""

import platform
from pathlib import Path

import mlx.core as mx

from mlx_gui.engines.cpu import attention, functions
from mlx_gui.engines.cpu.packed import multiply_packed

_SLOW_MACHINE = "x86_64"
"""MLX computes with vectors on others, by Accelerate or NEON."""


def replace_slow_functions(shim: Path | None, machine: str = platform.machine()) -> None:
    """Whoever looks a slow function up in `mlx.core` after this finds the one that is faster.

    `shim` is the BLAS that was opened, if it is ours. Nothing changes on a `machine` where MLX's
    own functions are fast.
    """
    if machine != _SLOW_MACHINE:
        return
    mx.erf = functions.erf
    mx.tanh = functions.tanh
    mx.sigmoid = functions.sigmoid
    mx.softmax = functions.softmax
    mx.logsumexp = functions.logsumexp
    mx.fast.scaled_dot_product_attention = attention.scaled_dot_product_attention
    if shim is not None:
        multiply_packed(shim)
