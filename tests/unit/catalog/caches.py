"""Hugging Face caches as its client lays them out, with and without a store of shared blobs."""

import hashlib
import os
from collections.abc import Mapping
from pathlib import Path

from tests.unit.kinds.folders import write_model

STORE = "blobs"
MARKER = ".huggingface-shared-blobs"


def model_files(folder: Path) -> dict[str, bytes]:
    """The files of a model that can be recognised, which is written to `folder` first."""
    write_model(folder)
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def write_revision(
    cache: Path, repo_id: str, revision: str, *, files: Mapping[str, bytes], main: bool = True
) -> Path:
    """A snapshot of `files`; those that another revision has too are the same blobs."""
    repo = cache / f"models--{repo_id.replace('/', '--')}"
    snapshot = repo / "snapshots" / revision
    snapshot.mkdir(parents=True)
    (repo / "blobs").mkdir(exist_ok=True)
    for name, content in files.items():
        blob = repo / "blobs" / hashlib.sha256(content).hexdigest()
        if not blob.exists():
            blob.write_bytes(content)
        (snapshot / name).symlink_to(os.path.relpath(blob, snapshot))
    if main:
        (repo / "refs").mkdir(exist_ok=True)
        (repo / "refs" / "main").write_text(revision, encoding="utf-8")
    return snapshot


def share(cache: Path, repo_id: str, content: bytes) -> Path:
    """Move that blob of the repo to the shared store, as the client does; what it has there."""
    digest = hashlib.sha256(content).hexdigest()
    blob = cache / f"models--{repo_id.replace('/', '--')}" / "blobs" / digest
    entry = cache / STORE / digest[:2] / digest
    entry.parent.mkdir(parents=True, exist_ok=True)
    (cache / STORE / MARKER).write_text("1\n", encoding="utf-8")
    if entry.exists():
        blob.unlink()
    else:
        blob.rename(entry)
    blob.symlink_to(os.path.relpath(entry, blob.parent))
    with entry.with_name(f"{digest}.refs").open("a", encoding="utf-8") as file:
        file.write(f"{blob.relative_to(cache).as_posix()}\n")
    return entry


def tree(folder: Path) -> dict[str, object]:
    """All below `folder`: what files hold, where links lead, and None for folders."""
    found: dict[str, object] = {}
    for path in sorted(folder.rglob("*")):
        name = str(path.relative_to(folder))
        if path.is_symlink():
            found[name] = os.readlink(path)
        else:
            found[name] = None if path.is_dir() else path.read_bytes()
    return found
