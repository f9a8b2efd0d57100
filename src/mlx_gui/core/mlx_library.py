"""Whose MLX's library is on Linux: the packages that bring it write the same file.

`mlx-cpu` comes with mlx-gui; who has one of CUDA besides has the file of whichever was installed
last.
"""

import os
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from importlib.metadata import Distribution, PackageNotFoundError, distribution

CPU_PACKAGE = "mlx-cpu"
CUDA_PACKAGES = ("mlx-cuda-12", "mlx-cuda-13")

_FILE = "mlx/lib/libmlx.so"


@dataclass(frozen=True, slots=True)
class MlxLibrary:
    """`packages` bring one, with their versions; the file is that of `owner`, None for nobody's."""

    packages: Mapping[str, str]
    owner: str | None

    @property
    def cuda_package(self) -> str | None:
        """The package of CUDA that is installed, whoever's the file is."""
        if self.owner in CUDA_PACKAGES:
            return self.owner
        return next((name for name in CUDA_PACKAGES if name in self.packages), None)

    @property
    def may_need_cuda(self) -> bool:
        """Whether the file is one for CUDA, or of nobody although one for CUDA is installed."""
        return self.cuda_package is not None and self.owner != CPU_PACKAGE


def mlx_library() -> MlxLibrary:
    """As it lies there now. Imports nothing of it; no package is known on macOS."""
    found: dict[str, Distribution] = {}
    for name in (CPU_PACKAGE, *CUDA_PACKAGES):
        with suppress(PackageNotFoundError):
            found[name] = distribution(name)
    packages = {name: each.version for name, each in found.items()}
    if packages.keys() <= {CPU_PACKAGE}:
        # Nobody wrote over it, and to look at all files of a package takes 10 ms.
        return MlxLibrary(packages, next(iter(packages), None))
    owners = [name for name, each in found.items() if _lies_there(each)]
    return MlxLibrary(packages, owners[-1] if owners else None)


def _lies_there(package: Distribution) -> bool:
    """Whether the file is as large as that of `package`.

    They differ by tens of megabytes, and to read them whole would hold up each worker.
    """
    files = package.files or ()
    return any(str(file) == _FILE and file.size == _size_bytes(file.locate()) for file in files)


def _size_bytes(path: "os.PathLike[str]") -> int | None:
    try:
        return os.path.getsize(path)
    except OSError:
        return None
