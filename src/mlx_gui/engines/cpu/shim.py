"""Builds the products of `sgemm/` around a BLAS, once per machine."""

import hashlib
import os
import shutil
import subprocess
import tempfile
from collections.abc import Mapping
from importlib.resources import files
from operator import attrgetter
from pathlib import Path

_BUILD_TIMEOUT_S = 120
_MAIN = "sgemm.c"
_DIGEST_BYTES = hashlib.sha256().digest_size


class ShimUnavailable(Exception):
    """Why there is no shim, as one sentence."""


def shim_around(library: Path, *, folder: Path, cpu: str) -> Path:
    """The shim for `library` in `folder`, built if it is not there whole.

    Nobody else may write into `folder`: whatever lies there is run. The name holds all that went in
    (`cpu` too, because it is built for exactly this processor), the file ends with a digest of
    itself, so that a broken one is noticed before it is opened. Raises ShimUnavailable.
    """
    compiler = shutil.which("cc")
    if compiler is None:
        raise ShimUnavailable("There is no C compiler (cc).")
    sources = {
        each.name: each.read_bytes()
        for each in sorted(
            files("mlx_gui.engines.cpu").joinpath("sgemm").iterdir(), key=attrgetter("name")
        )
    }
    code = (*sources.values(), _version(compiler))
    parts = (*code, str(library).encode(), _stamp(library), cpu.encode())
    key = hashlib.sha256(b"\0".join(parts)).hexdigest()[:16]
    shim = folder / f"sgemm-{key}.so"
    if not _is_whole(shim):
        _build(compiler, sources, library, shim)
    return shim


def _version(compiler: str) -> bytes:
    return _run([compiler, "--version"])


def _stamp(library: Path) -> bytes:
    return str(library.stat().st_mtime_ns).encode()


def _is_whole(shim: Path) -> bool:
    try:
        content = shim.read_bytes()
    except OSError:
        return False
    return hashlib.sha256(content[:-_DIGEST_BYTES]).digest() == content[-_DIGEST_BYTES:]


def _build(compiler: str, sources: Mapping[str, bytes], library: Path, shim: Path) -> None:
    with tempfile.TemporaryDirectory(dir=shim.parent, prefix="building-") as folder:
        for name, content in sources.items():
            Path(folder, name).write_bytes(content)
        code, unfinished = Path(folder, _MAIN), Path(folder, shim.name)
        options = ["-std=gnu11", "-O3", "-march=native", "-Wno-psabi", "-shared", "-fPIC"]
        name = str(library).replace("\\", "\\\\").replace('"', '\\"')
        _run([compiler, *options, f'-DLIBRARY="{name}"', str(code), "-o", str(unfinished), "-ldl"])
        content = unfinished.read_bytes()
        unfinished.write_bytes(content + hashlib.sha256(content).digest())
        os.replace(unfinished, shim)


def _run(command: list[str]) -> bytes:
    try:
        return subprocess.run(
            command, check=True, capture_output=True, timeout=_BUILD_TIMEOUT_S
        ).stdout
    except (OSError, subprocess.SubprocessError) as error:
        raise ShimUnavailable(f"The C compiler failed: {error}.") from error
