"""The environment of the worker tower's processes."""

import os
from pathlib import Path

_CORE = "OPENBLAS_CORETYPE"
_CPUINFO = Path("/proc/cpuinfo")
_BLAS_CORES = (
    ("SkylakeX", {"avx512f", "avx512bw", "avx512dq", "avx512vl"}),
    ("Haswell", {"avx2", "fma"}),
)
"""What OpenBLAS calls processors, by what they must be able to do; the best first."""


def worker_environment(platform: str, threads: int = 1) -> dict[str, str]:
    """What a child that uses MLX gets on top of its parent's environment.

    `platform` is `sys.platform`. `threads` are those of one product of matrices; they spin while
    they wait, so that more than one only pays for a lone worker on an idle machine.
    """
    environment = {
        "HF_HUB_OFFLINE": "1",
        "HF_HUB_DISABLE_TELEMETRY": "1",
        "TRANSFORMERS_OFFLINE": "1",
        "TRANSFORMERS_VERBOSITY": "error",
        "TOKENIZERS_PARALLELISM": "false",
    }
    if platform == "linux":
        # Read when the library is loaded, too early for the worker to set it for itself.
        environment["OPENBLAS_NUM_THREADS"] = str(threads)
        # Larger blocks go back to the system when they are freed, so that a worker takes no more
        # than MLX holds. Without this, holes between caches that come and go stay with it.
        environment["MALLOC_MMAP_THRESHOLD_"] = str(1 << 20)
        core = None if _CORE in os.environ else blas_core(_cpuinfo())
        if core is not None:
            environment[_CORE] = core
    return environment


def blas_core(cpuinfo: str) -> str | None:
    """What OpenBLAS is to take the processor of `cpuinfo` for; None leaves that to it.

    It goes by model numbers: one that is newer than the library counts as the oldest of all, whose
    products take five times as long.
    """
    lines = (line.partition(":") for line in cpuinfo.splitlines())
    found = next((value for key, _, value in lines if key.strip() == "flags"), "")
    flags = set(found.split())
    return next((core for core, needed in _BLAS_CORES if needed <= flags), None)


def _cpuinfo() -> str:
    try:
        return _CPUINFO.read_text(encoding="utf-8")
    except OSError:
        return ""
