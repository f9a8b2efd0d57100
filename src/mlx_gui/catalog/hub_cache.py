"""The Hugging Face cache, laid out as huggingface_hub writes and reads it.

    models--org--name/
        blobs/<digest>              the files, by their content; some are links to ../../blobs
        snapshots/<commit>/<path>   links to them
        refs/<revision>             the commit that a branch or tag was when somebody asked last
        .mlx-gui/                   ours: what a download has brought so far, and half a snapshot
    .locks/models--org--name/<digest>.lock
    blobs/<xx>/<hash>               what several repos share

A snapshot comes into being whole, and its ref after it: who looks meanwhile sees none of it.
"""

import contextlib
import os
import shutil
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

import msgspec

from mlx_gui.core.durable import write_durably
from mlx_gui.core.errors import InvalidRequest
from mlx_gui.core.hub import RepoFile, safe_path

_TAG = """Signature: 8a477f597d28d172789f06886806bc55
# This file is a cache directory tag.
# For information about cache directory tags, see:
#\thttps://bford.info/cachedir/
"""
_PRIVATE = ".mlx-gui"
_JOURNAL = ".mlx-gui.journal"


def digest_of(file: RepoFile) -> str:
    """The name of its blob: the SHA-256 of what lies in LFS, git's SHA-1 of all else."""
    return file.sha256 or file.blob_id


@dataclass(frozen=True, slots=True)
class CachedRepo:
    """One repo in the cache folder `cache`. Nothing here asks the network."""

    cache: Path
    model_id: str

    @property
    def folder(self) -> Path:
        """Where all of it lies, but the locks."""
        return self.cache / self._name

    @property
    def _name(self) -> str:
        return "--".join(("models", *self.model_id.split("/")))

    @property
    def _private(self) -> Path:
        return self.folder / _PRIVATE

    def blob(self, digest: str) -> Path:
        return self.folder / "blobs" / digest

    def part(self, digest: str) -> Path:
        """What has come of a blob; by its name the hub's own tools know it as unfinished."""
        return self.folder / "blobs" / f"{digest}.mlx-gui.incomplete"

    def journal(self, digest: str) -> Path:
        """What of `part` is known to be on the disk, and whether the blob was verified."""
        return self.folder / "blobs" / f"{digest}{_JOURNAL}"

    def snapshot(self, commit: str) -> Path:
        return self.folder / "snapshots" / commit

    def lock(self, digest: str = "mlx-gui") -> Path:
        """The lock of one blob, which the hub client takes too; without a digest of the repo."""
        return self.cache / ".locks" / self._name / f"{digest}.lock"

    def has(self, digest: str, size_bytes: int) -> bool:
        """Whether the whole blob is there, be it here or in the shared store.

        A blob gets its name once it is verified, so that its size is looked at and no more.
        """
        with contextlib.suppress(OSError):
            return self.blob(digest).stat().st_size == size_bytes
        return False

    def complete(self, commit: str, files: Iterable[RepoFile]) -> bool:
        """Whether the snapshot has all of `files`."""
        snapshot = self.snapshot(commit)
        return all(_size(snapshot / file.path) == file.size_bytes for file in files)

    def prepare(self) -> None:
        """Make the folders that a download writes into.

        Raises OSError, also where the folder of the cache is gone, as with a disk that is away: it
        would be made on another one.
        """
        self.cache.mkdir(exist_ok=True)
        for folder in (self.folder / "blobs", self.folder / "snapshots", self.lock().parent):
            folder.mkdir(parents=True, exist_ok=True)
        tag = self.cache / "CACHEDIR.TAG"
        if not tag.exists():
            # Backups leave out what has it. That it cannot be written harms nobody.
            with contextlib.suppress(OSError):
                tag.write_text(_TAG, encoding="utf-8")

    def claim(self, commit: str, digests: Collection[str]) -> None:
        """Note that a download of `commit` brings these blobs. Raises OSError."""
        claimed = self._claimed(commit) | frozenset(digests)
        self._private.mkdir(parents=True, exist_ok=True)
        write_durably(self._claims(commit), msgspec.json.encode(sorted(claimed)))

    def publish(self, commit: str, files: Iterable[RepoFile], *, revision: str) -> None:
        """Have a snapshot of `files`, whose blobs are all there, and a ref from `revision`.

        Raises OSError, and InvalidRequest for a path that would leave the snapshot.
        """
        digests = {_inside(file.path): digest_of(file) for file in files}
        ref = None if revision == commit else self.folder / "refs" / _inside(revision)
        snapshot = self.snapshot(commit)
        if not snapshot.exists():
            self._build(commit, digests, snapshot)
        # config.json makes a folder a model, so it comes when all the rest is there.
        for path in sorted(digests, key=lambda path: path.name == "config.json"):
            if not (snapshot / path).exists():
                self._link(snapshot / path, digests[path])
        if ref is not None:
            ref.parent.mkdir(parents=True, exist_ok=True)
            write_durably(ref, commit.encode())
        for digest in digests.values():
            self.journal(digest).unlink(missing_ok=True)
        self._claims(commit).unlink(missing_ok=True)
        with contextlib.suppress(OSError):
            self._private.rmdir()

    def discard(self, commit: str) -> None:
        """Remove what an unfinished download of `commit` has brought. Raises OSError.

        What a snapshot uses stays, also where another program made it meanwhile.
        """
        used = self._used()
        for journal in self.folder.glob(f"blobs/*{_JOURNAL}*"):
            journal.unlink(missing_ok=True)
        for digest in self._claimed(commit):
            self.part(digest).unlink(missing_ok=True)
            if digest not in used:
                self.blob(digest).unlink(missing_ok=True)
        shutil.rmtree(self._private / commit, ignore_errors=True)
        self._claims(commit).unlink(missing_ok=True)
        for folder in ("blobs", "snapshots", _PRIVATE, ""):
            # Whatever else there is keeps its folder.
            with contextlib.suppress(OSError):
                (self.folder / folder).rmdir()

    def _build(self, commit: str, digests: Mapping[PurePosixPath, str], snapshot: Path) -> None:
        """Make the snapshot under another name, at the same depth for its links, and rename it."""
        building = self._private / commit
        shutil.rmtree(building, ignore_errors=True)
        for path, digest in digests.items():
            self._link(building / path, digest)
        snapshot.parent.mkdir(parents=True, exist_ok=True)
        try:
            building.rename(snapshot)
        except FileExistsError:
            # Another program has just made it; what it lacks is added.
            shutil.rmtree(building)

    def _link(self, place: Path, digest: str) -> None:
        place.parent.mkdir(parents=True, exist_ok=True)
        made = place.with_name(f".{place.name}.mlx-gui.tmp")
        made.unlink(missing_ok=True)
        made.symlink_to(os.path.relpath(self.blob(digest), place.parent))
        made.replace(place)

    def _claims(self, commit: str) -> Path:
        return self._private / f"{commit}.json"

    def _claimed(self, commit: str) -> frozenset[str]:
        try:
            return msgspec.json.decode(self._claims(commit).read_bytes(), type=frozenset[str])
        except (OSError, msgspec.DecodeError):
            return frozenset()

    def _used(self) -> frozenset[str]:
        """The names of all blobs that snapshots link to."""
        links = (path for path in self.folder.glob("snapshots/**/*") if path.is_symlink())
        return frozenset(Path(os.readlink(link)).name for link in links)


def _inside(path: str) -> PurePosixPath:
    """`path` as one that stays within a folder. Raises InvalidRequest."""
    if not safe_path(path):
        raise InvalidRequest(f"{path!r} is no path within a repo.")
    return PurePosixPath(path)


def _size(path: Path) -> int | None:
    try:
        return path.stat().st_size
    except OSError:
        return None
