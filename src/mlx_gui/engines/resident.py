"""What the process of an engine holds and has held at most, and giving back what it need not."""

import re
import resource
import sys
from pathlib import Path

import mlx.core as mx
import psutil

from mlx_gui.core.model import MemoryUse

_STATUS = Path("/proc/self/status")


def peak_rss_bytes() -> int:
    """That of this process, since it began."""
    if sys.platform == "linux":
        # What getrusage says there may be that of the process that started this one.
        found = re.search(r"^VmHWM:\s+(\d+) kB$", _STATUS.read_text(), re.MULTILINE)
        return int(found[1]) * 1024 if found else 0
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss


def memory_use(*, load_peak_bytes: int, kv_bytes: int = 0, prefix_bytes: int = 0) -> MemoryUse:
    """What this process and its MLX hold right now; `load_peak_bytes` is MLX's most of the load."""
    return MemoryUse(
        active_bytes=mx.get_active_memory(),
        cache_bytes=mx.get_cache_memory(),
        peak_bytes=mx.get_peak_memory(),
        rss_bytes=psutil.Process().memory_info().rss,
        kv_bytes=kv_bytes,
        prefix_bytes=prefix_bytes,
        load_peak_bytes=load_peak_bytes,
        peak_rss_bytes=peak_rss_bytes(),
    )


def give_back_cache() -> int:
    """Give the system what MLX keeps of freed memory; returns the bytes."""
    before_bytes = mx.get_cache_memory()
    mx.clear_cache()
    return before_bytes - mx.get_cache_memory()
