"""A file that a standalone app carries with it, where an installation would fetch it."""

import asyncio
import hashlib
from dataclasses import dataclass
from pathlib import Path

from mlx_gui.core.errors import FetchFailed

CARRIED_FOLDER = "starters"
"""Where it lies in the app."""
_DAMAGED_HINT = (
    "The app is damaged, or was moved while it ran: start it again, else install it anew."
)


@dataclass(frozen=True, slots=True)
class CarriedFile:
    """The file at `path`, whose digest shall be `sha256`."""

    path: Path
    sha256: str

    @property
    def file_name(self) -> str:
        return self.path.name

    @property
    def needed_bytes(self) -> int:
        """Disk space besides: it is read where it is."""
        return 0


async def check_carried_file(source: CarriedFile) -> Path:
    """Where it lies, once its digest is checked. Raises FetchFailed."""
    try:
        digest = await asyncio.to_thread(_sha256, source.path)
    except OSError as error:
        raise FetchFailed(
            f"{source.path} cannot be read: {error.strerror}.", hint=_DAMAGED_HINT
        ) from error
    if digest != source.sha256:
        raise FetchFailed(
            f"{source.path} is not the file it should be: its SHA-256 is {digest}, expected was "
            f"{source.sha256}.",
            hint=_DAMAGED_HINT,
        )
    return source.path


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
