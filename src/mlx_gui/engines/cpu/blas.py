"""Opens a fast BLAS before MLX on Linux.

The Linux build of MLX brings a reference BLAS that is about eighty times slower than OpenBLAS. A
library that is opened for the whole process before `mlx.core` wins over it, without LD_PRELOAD.
"""

import ctypes
import os
import platform
import stat
import sys
import sysconfig
from pathlib import Path

from mlx_gui.core.device import BlasFacts
from mlx_gui.engines.cpu.shim import ShimUnavailable, shim_around
from mlx_gui.engines.cpu.trial import problem_with

_NAMES = ("libopenblas.so.0", "libopenblasp.so.0")
_HINT = "Prompts are read many times faster with OpenBLAS (Debian: libopenblas0-pthread)."


def open_blas(setting: str, cache_dir: Path) -> BlasFacts:
    """Open the first library that passes its trial, inside the shim where one can be built.

    `setting` is `auto`, `off` or the path of a CBLAS library. Without any library MLX works with
    its own, and `problem` says why.
    """
    if setting == "off":
        return BlasFacts(None, None, "Switched off by the setting blas.")
    if "mlx.core" in sys.modules:
        return BlasFacts(None, None, "MLX was imported before a BLAS could be opened.")
    folder = cache_dir / "blas"
    if (problem := _make_private(folder)) is not None:
        return BlasFacts(None, None, problem)
    # What it computes with on this processor: that is what is tried.
    cpu = f"{cpu_name()} {os.environ.get('OPENBLAS_CORETYPE', '')}"
    problem = f"No BLAS library was found. {_HINT}"
    for library in _installed() if setting == "auto" else [Path(setting)]:
        problem = problem_with(library, folder=folder, cpu=cpu)
        if problem is None:
            return _open(library, folder, cpu)
    return BlasFacts(None, None, problem)


def cpu_name() -> str:
    """The processor's model name, or at least its architecture."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        lines = []
    fields = (line.partition(":") for line in lines)
    names = (value.strip() for key, _, value in fields if key.strip() == "model name")
    return next(names, platform.machine())


def _open(library: Path, folder: Path, cpu: str) -> BlasFacts:
    shim: Path | None = None
    try:
        shim = shim_around(library, folder=folder, cpu=cpu)
        problem = problem_with(shim, folder=folder, cpu=cpu)
    except ShimUnavailable as error:
        problem = f"{error} With one, answers come about twice as fast."
    if problem is not None:
        shim = None
    ctypes.CDLL(str(shim or library), mode=ctypes.RTLD_GLOBAL)
    return BlasFacts(str(library), str(shim) if shim else None, problem)


def _installed() -> list[Path]:
    """Libraries that export plain CBLAS names: the system's, then the one inside opencv-python."""
    multiarch = sysconfig.get_config_var("MULTIARCH") or ""
    folders = [
        Path(sys.prefix, "lib"),
        Path("/usr/local/lib"),
        Path("/usr/lib", multiarch),
        Path("/usr/lib64"),
        Path("/usr/lib"),
    ]
    system = [folder / name for folder in folders for name in _NAMES]
    bundled = Path(sysconfig.get_path("platlib")).glob("opencv_python*.libs/libopenblas*.so*")
    found = [file.resolve() for file in [*system, *sorted(bundled)] if file.is_file()]
    return list(dict.fromkeys(found))


def _make_private(folder: Path) -> str | None:
    """Makes `folder` ours alone; what lies there is run, so another's folder is not used."""
    try:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        facts = folder.stat()
        if facts.st_uid != os.geteuid():
            return f"{folder} belongs to another user."
        if stat.S_IMODE(facts.st_mode) != 0o700:
            folder.chmod(0o700)
    except OSError as error:
        return f"{folder} cannot be used: {error.strerror}."
    return None
