"""Builds the small product of `small_sgemm.c` around a BLAS, once per machine."""

import hashlib
import os
import shutil
import subprocess
import tempfile
from importlib.resources import files
from pathlib import Path

_BUILD_TIMEOUT_S = 120
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
    source = files("mlx_gui.engines.cpu").joinpath("small_sgemm.c").read_bytes()
    parts = (source, _version(compiler), str(library).encode(), _stamp(library), cpu.encode())
    key = hashlib.sha256(b"\0".join(parts)).hexdigest()[:16]
    shim = folder / f"sgemm-{key}.so"
    if not _is_whole(shim):
        _build(compiler, source, library, shim)
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


def _build(compiler: str, source: bytes, library: Path, shim: Path) -> None:
    with tempfile.TemporaryDirectory(dir=shim.parent, prefix="building-") as folder:
        code, unfinished = Path(folder, "small_sgemm.c"), Path(folder, shim.name)
        code.write_bytes(source)
        options = ["-std=gnu11", "-O3", "-march=native", "-shared", "-fPIC"]
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
