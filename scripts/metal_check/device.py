"""Steps that look at the machine and its device. MLX is started in the step's own process."""

import os
import sys
import tempfile
from typing import Any

import psutil

from mlx_gui.config import resolve
from mlx_gui.control.machine.macos import footprint_bytes
from mlx_gui.control.machine.platforms import machine_reader, on_macos
from mlx_gui.core.device import LIMITS
from mlx_gui.core.worker_env import worker_environment
from mlx_gui.engines.device import backend, prepare_process
from mlx_gui.serve import probe_device
from scripts.metal_check.outcome import Figure, Outcome
from tests.engines.remote import CACHE

_SIDE = 256
_SEED = 7
_ERRORS = {"float32": 1e-3, "float16": 1e-2, "bfloat16": 5e-2, "4 bits": 1e-2}
"""The largest error, as a share of the largest value of the right result."""


def machine() -> Outcome:
    """What the system and the probe say, and whether that can be so."""
    reading, identity = machine_reader().read(), machine_reader().identify()
    with tempfile.TemporaryDirectory() as folder:
        facts = probe_device(resolve(flags={"data_dir": folder}, environment={}))
    figures: dict[str, Figure] = {
        "backend": facts.backend,
        "device": facts.name,
        "memory_bytes": reading.total_bytes,
        "available_bytes": reading.available_bytes,
        "working_set_bytes": facts.working_set_bytes or 0,
        "wired_limit_bytes": reading.wired_limit_bytes or 0,
        "pressure": reading.kernel_pressure or "not told by the kernel",
        "architectures": sum(map(len, facts.model_types.values())),
    }
    problems: list[str] = []
    if not 0 < reading.available_bytes <= reading.total_bytes:
        problems.append("The memory that is free is none, or more than there is.")
    if facts.backend == "metal" and not 0 < (facts.working_set_bytes or 0) <= facts.memory_bytes:
        problems.append("What Metal recommends is none, or more than the memory of the machine.")
    if on_macos():
        problems += _of_macos(facts.backend, figures)
        if reading.kernel_pressure is None:
            problems.append("macOS tells no memory pressure.")
        if identity.chip is None or identity.model is None:
            problems.append("macOS does not tell chip and model.")
    return Outcome.judged(problems, figures)


def _of_macos(found: str, figures: dict[str, Figure]) -> list[str]:
    problems = [] if found == "metal" else [f"MLX computes on {found}, and not on Metal."]
    held_bytes = footprint_bytes(os.getpid())
    figures["footprint_bytes"] = held_bytes or 0
    resident_bytes = psutil.Process().memory_info().rss
    if held_bytes is None or not resident_bytes / 10 < held_bytes < resident_bytes * 10:
        problems.append(
            f"The footprint of this process is told as {held_bytes}, its resident memory as "
            f"{resident_bytes} bytes."
        )
    return problems


def arithmetic() -> Outcome:
    """Products, softmax and attention in each form, beside numpy in 64 bits."""
    _prepare()
    import mlx.core as mx
    import numpy as np

    dice = np.random.default_rng(_SEED)
    left, right = (dice.standard_normal((_SIDE, _SIDE)) for _ in range(2))
    exact = left @ right
    found: dict[str, Any] = {}
    for form in ("float32", "float16", "bfloat16"):
        a, b = (
            mx.array(each, dtype=mx.float32).astype(getattr(mx, form)) for each in (left, right)
        )
        found[form] = (a @ b).astype(mx.float32)
    # The rows of what is packed are those that it is multiplied with.
    packed = mx.quantize(mx.array(right.T, dtype=mx.float32), group_size=64, bits=4)
    product = mx.quantized_matmul(
        mx.array(left, dtype=mx.float32), *packed, transpose=True, group_size=64, bits=4
    )
    unpacked = np.array(mx.dequantize(*packed, group_size=64, bits=4)).astype(np.float64).T
    errors = {form: _error(np.array(each), exact) for form, each in found.items()}
    errors["4 bits"] = _error(np.array(product), left @ unpacked)
    errors["attention"] = _attention_error(mx, np, dice)
    allowed = {**_ERRORS, "attention": _ERRORS["float32"]}
    problems = [
        f"{form}: the error is {errors[form]:.2g}, {allowed[form]:.2g} is allowed."
        for form in errors
        if not errors[form] <= allowed[form]
    ]
    figures: dict[str, Figure] = {form: f"{error:.2g}" for form, error in errors.items()}
    return Outcome.judged(problems, {"backend": backend(), **figures})


def _attention_error(mx: Any, np: Any, dice: Any) -> float:
    queries, keys, values = (dice.standard_normal((1, 2, 64, 64)) for _ in range(3))
    scores = queries @ keys.swapaxes(2, 3) / 8
    weights = np.exp(scores - scores.max(-1, keepdims=True))
    exact = weights / weights.sum(-1, keepdims=True) @ values
    given = (mx.array(each, dtype=mx.float32) for each in (queries, keys, values))
    found = mx.fast.scaled_dot_product_attention(*given, scale=1 / 8)
    return _error(np.array(found), exact)


def _error(found: Any, exact: Any) -> float:
    return float(abs(found - exact).max() / abs(exact).max())


def limits() -> Outcome:
    """The wired limit and MLX's cache, as a worker sets them for itself."""
    _prepare()
    import mlx.core as mx

    if (current := backend()) != "metal":
        return Outcome("not applicable", {"backend": current}, "Nothing is wired but by Metal.")
    wanted_bytes = int(mx.device_info()["max_recommended_working_set_size"])
    # Each call tells what held before it.
    set_bytes = mx.set_wired_limit(wanted_bytes)
    cache_bytes = mx.set_cache_limit(LIMITS[current].cache_bytes or 0)
    mx.eval(mx.ones((256, 1024, 1024), dtype=mx.float32))
    figures: dict[str, Figure] = {
        "wired_limit_bytes": set_bytes,
        "recommended_bytes": wanted_bytes,
        "cache_limit_bytes": cache_bytes,
        "active_after_1_GB_bytes": mx.get_active_memory(),
        "cache_after_1_GB_bytes": mx.get_cache_memory(),
    }
    problems: list[str] = []
    if set_bytes != wanted_bytes:
        problems.append("The wired limit is not what Metal recommends.")
    if cache_bytes != LIMITS[current].cache_bytes:
        problems.append("The bound of MLX's cache is not the one of this device.")
    if mx.get_cache_memory() > (LIMITS[current].cache_bytes or 0):
        problems.append("MLX keeps more than the bound of its cache.")
    return Outcome.judged(problems, figures)


def _prepare() -> None:
    """Makes this process ready for MLX as a worker does."""
    os.environ.update(worker_environment(sys.platform))
    prepare_process("auto", CACHE)
