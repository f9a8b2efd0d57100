"""The blob store that the repos of a Hugging Face cache share, by the protocol of its client 2.x.

    blobs/.huggingface-shared-blobs     says that the folder is such a store
    blobs/<xx>/<hash>                   a file; the repos' own blobs are links to it
    blobs/<xx>/<hash>.refs              which blobs those are: a hint, of which each is looked at
    blobs/<xx>/<hash>.lock              held by whoever links, or removes what nobody links to

What has no readable list of its blobs is never removed.
"""

import fcntl
import os
import re
import stat
from collections.abc import Collection, Generator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from mlx_gui.core.durable import write_durably

FOLDER = "blobs"
_MARKER, _LAYOUT = ".huggingface-shared-blobs", "1\n"
_HASH = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True, slots=True)
class SharedBlobs:
    """The store in the cache folder `cache`. Blocks; raises OSError where it cannot go on."""

    cache: Path

    def there(self) -> bool:
        """Whether the cache has such a store."""
        try:
            return (self._folder / _MARKER).read_text(encoding="utf-8") == _LAYOUT
        except (OSError, UnicodeDecodeError):
            return False

    def entry_of(self, blob: Path) -> Path | None:
        """The file in the store that a repo's `blob` is a link to; None where it is none."""
        try:
            target = Path(os.path.normpath(blob.parent / os.readlink(blob)))
        except OSError:
            return None
        if _HASH.fullmatch(target.name) is None:
            return None
        return target if target == self.entry(target.name) else None

    def users(self, entry: Path) -> frozenset[Path] | None:
        """The blobs that link to `entry` now; None where nobody knows."""
        try:
            lines = self._list(entry).read_text(encoding="utf-8").splitlines()
        except (OSError, UnicodeDecodeError):
            return None
        named = (self.cache / line for line in lines if _is_blob(line))
        return frozenset(blob for blob in named if self.entry_of(blob) == entry)

    def freed_bytes(self, entry_name: str, blobs: Collection[Path]) -> int:
        """What comes free if `blobs` go: 0 as long as others link to the entry, or may."""
        entry = self.entry(entry_name)
        users = self.users(entry)
        if not users or not users.issubset(blobs):
            return 0
        return _regular_bytes(entry)

    def give_back(self, entry_name: str, kept: Path, blob: Path) -> None:
        """Have the store know `blob`, which will link to it, and `kept` if it has it no more."""
        entry = self.entry(entry_name)
        entry.parent.mkdir(parents=True, exist_ok=True)
        marker = self._folder / _MARKER
        if not marker.exists():
            write_durably(marker, _LAYOUT.encode())
        with self._locked(entry):
            if not entry.exists():
                os.link(kept, entry)
            self._note(entry, blob)

    def sweep(self, entry_name: str) -> int:
        """The bytes that came free: `entry` goes if it is known that nobody links to it."""
        entry = self.entry(entry_name)
        if not self.there() or not entry.exists():
            return 0
        with self._locked(entry):
            users = self.users(entry)
            if users is None or users:
                return 0
            freed_bytes = _regular_bytes(entry)
            entry.unlink(missing_ok=True)
            self._list(entry).unlink(missing_ok=True)
            return freed_bytes

    @property
    def _folder(self) -> Path:
        return self.cache / FOLDER

    def entry(self, name: str) -> Path:
        """Where the file with the hash `name` lies, or would."""
        return self._folder / name[:2] / name

    def _list(self, entry: Path) -> Path:
        return entry.with_name(f"{entry.name}.refs")

    def _note(self, entry: Path, blob: Path) -> None:
        line = f"{blob.relative_to(self.cache).as_posix()}\n".encode()
        flags = os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_NOFOLLOW
        descriptor = os.open(self._list(entry), flags, 0o666)
        with open(descriptor, "r+b") as file:
            if line not in file.readlines():
                file.write(line)
                file.flush()
                os.fsync(file.fileno())

    @contextmanager
    def _locked(self, entry: Path) -> Generator[None]:
        flags = os.O_WRONLY | os.O_CREAT | os.O_NOFOLLOW
        descriptor = os.open(entry.with_name(f"{entry.name}.lock"), flags, 0o666)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            yield
        finally:
            os.close(descriptor)


def _is_blob(line: str) -> bool:
    """Whether a line of a list names a blob of a repo: `models--org--name/blobs/<digest>`."""
    parts = line.split("/")
    return len(parts) == 3 and "--" in parts[0] and parts[1] == "blobs" and ".." not in parts


def _regular_bytes(path: Path) -> int:
    try:
        found = path.lstat()
    except OSError:
        return 0
    return found.st_size if stat.S_ISREG(found.st_mode) else 0
