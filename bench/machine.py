"""Where the figures come from, as the head of their page."""

import platform
from importlib.metadata import version
from pathlib import Path

import psutil

from bench.context import Context
from bench.report import TITLE
from mlx_gui.version import __version__

_PACKAGES = ("mlx", "mlx-lm", "transformers", "uvicorn", "fastapi")


def head(context: Context) -> str:
    """Machine, versions, environment."""
    device = context.device
    versions = [f"{name} {version(name)}" for name in _PACKAGES]
    lines = [
        ("Machine", f"{device.name}, {psutil.cpu_count()} cores, {_gib(device.memory_bytes)}"),
        ("System", f"{platform.system()} {platform.machine()}, {device.backend} backend"),
        (
            "Versions",
            f"mlx-gui {__version__}, Python {platform.python_version()}, {', '.join(versions)}",
        ),
        ("BLAS of workers", _blas(context)),
        ("Model", context.model.name),
    ]
    facts = "\n".join(f"| {name} | {value} |" for name, value in lines)
    return f"{TITLE}\n\n{_INTRODUCTION}\n\n| | |\n|---|---|\n{facts}\n"


_INTRODUCTION = """\
Written by `make bench ARGS=--write`; `make bench ARGS="NAME --write"` measures one section anew,
and `--quick` gives a first impression. A ratio is taken in each pair of measurements, one side
right after the other, so that it holds on a machine that is not quiet; the tables show the median
pair and the two farthest. Variables that begin with `MLX_`, `OPENBLAS_`, `OMP_` and `HF_` are unset
for both sides; workers, and plain programs that stand for one, get `OPENBLAS_NUM_THREADS=1`.
`MLX_GUI_BENCH_MODEL` names another model folder than the starter's."""


def _blas(context: Context) -> str:
    facts = context.device.blas
    if facts is None or facts.library is None:
        return "the one of MLX"
    return Path(facts.library).name + (", inside the shim" if facts.shim else "")


def _gib(count_bytes: int) -> str:
    return f"{count_bytes / 2**30:.0f} GiB"
