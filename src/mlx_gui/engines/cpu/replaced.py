"""Which of MLX's names mean functions of our own on a processor."""

import platform

import mlx.core as mx

from mlx_gui.engines.cpu import attention, functions

_SLOW_MACHINE = "x86_64"
"""MLX computes with vectors on others, by Accelerate or NEON."""


def replace_slow_functions(machine: str = platform.machine()) -> None:
    """Whoever looks a slow function up in `mlx.core` after this finds the one that is faster.

    Nothing changes on a `machine` where MLX's own are fast.
    """
    if machine != _SLOW_MACHINE:
        return
    mx.erf = functions.erf
    mx.tanh = functions.tanh
    mx.sigmoid = functions.sigmoid
    mx.softmax = functions.softmax
    mx.logsumexp = functions.logsumexp
    mx.fast.scaled_dot_product_attention = attention.scaled_dot_product_attention
