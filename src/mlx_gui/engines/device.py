"""The device as data: what MLX runs on here, and what that asks of a process.

Nothing here imports MLX at the top: `prepare_process` must run before anything does.
"""

import importlib
import os
import platform
import sys
from importlib.metadata import version
from pathlib import Path

import msgspec

from mlx_gui.core.device import LIMITS, Backend, BlasFacts, DeviceFacts
from mlx_gui.core.errors import LoadFailed
from mlx_gui.core.mlx_library import mlx_library
from mlx_gui.core.model import Kind
from mlx_gui.engines.cpu.blas import cpu_name, open_blas
from mlx_gui.kinds.registry import KINDS

_REPORTED_PACKAGES = ("mlx", "mlx-lm", "mlx-vlm", "mlx-audio", "transformers", "tokenizers")


def prepare_process(blas: str, cache_dir: Path) -> BlasFacts:
    """Make this process ready for MLX; first thing in a child, before anything imports `mlx.core`.

    `blas` is the setting of that name; trials and builds are kept in `cache_dir`. Raises LoadFailed
    where MLX cannot be imported for want of a driver.
    """
    facts = BlasFacts(None, None)
    if sys.platform == "linux":
        if mlx_library().may_need_cuda:
            _check_driver()
        else:
            facts = open_blas(blas, cache_dir)

    import mlx.core as mx

    current = backend()
    if current == "cpu":
        # On a processor MLX would write C++ and call a compiler in the middle of an answer, once
        # for every new temperature; nothing gets faster by it.
        mx.disable_compile()
        from mlx_gui.engines.cpu.replaced import replace_slow_functions

        replace_slow_functions(Path(facts.shim) if facts.shim else None)
    if current == "metal":
        # What is not wired may be paged out between two steps, and decoding slows to a crawl.
        mx.set_wired_limit(int(mx.device_info()["max_recommended_working_set_size"]))
    if (cache_bytes := LIMITS[current].cache_bytes) is not None:
        mx.set_cache_limit(cache_bytes)
    return facts


def backend() -> Backend:
    """What MLX computes on by default in this process."""
    import mlx.core as mx

    if mx.default_device().type == mx.DeviceType.cpu:
        return "cpu"
    return "metal" if mx.metal.is_available() else "cuda"


def probe(blas: str, cache_dir: Path) -> DeviceFacts:
    """The device's facts, from a process that was not prepared yet."""
    blas_facts = prepare_process(blas, cache_dir)

    import mlx.core as mx

    current = backend()
    device = mx.device_info(mx.default_device())
    key = "max_recommended_working_set_size" if current == "metal" else "total_memory"
    return DeviceFacts(
        backend=current,
        name=cpu_name() if current == "cpu" else str(device.get("device_name", current)),
        memory_bytes=os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE"),
        working_set_bytes=int(device[key]) if key in device else None,
        versions={
            "python": platform.python_version(),
            **{package: version(package) for package in _REPORTED_PACKAGES},
        },
        model_types=_model_types(),
        blas=_with_packed(blas_facts) if current == "cpu" else None,
    )


def _with_packed(facts: BlasFacts) -> BlasFacts:
    """`facts` of a process that was prepared, with what it can multiply."""
    from mlx_gui.engines.cpu.packed import packed_products

    products = packed_products()
    return msgspec.structs.replace(facts, packed=products is not None and products.work)


def _model_types() -> dict[Kind, tuple[str, ...]]:
    return {
        kind.name: importlib.import_module(kind.architectures).supported_model_types()
        for kind in KINDS
        if kind.architectures
    }


def _check_driver() -> None:
    """Raises LoadFailed where MLX needs the driver of a GPU that is not there."""
    try:
        importlib.import_module("mlx.core")
    except ImportError as error:
        if "libcuda.so" not in str(error):
            raise
        raise LoadFailed(
            "MLX is installed for CUDA here, and there is no NVIDIA driver (libcuda.so.1).",
            hint="Install it, or have MLX compute on the processor: mlx-gui doctor says how.",
        ) from error
