"""Models on a hub as plain data, and what may be asked of one by name."""

import hashlib
import re
from pathlib import PurePosixPath
from typing import Any, Literal

import msgspec

from mlx_gui.core.errors import InvalidRequest

DEFAULT_REVISION = "main"
_LONGEST_PART = 96
_LONGEST_REVISION = 250
_PART = re.compile(r"[A-Za-z0-9_](?:[A-Za-z0-9._-]*[A-Za-z0-9_])?")
_REVISION = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._+-]*(?:/[A-Za-z0-9_][A-Za-z0-9._+-]*)*")
_COMMIT = re.compile(r"[0-9a-f]{40}")


class RepoFile(msgspec.Struct, frozen=True):
    """One file of a repo.

    `path` is within the repo and was checked by `safe_path`; `blob_id` is git's sha1, as the tree
    says it, which for a file with a `sha256` (one that lies in LFS) is that of its pointer.
    `xet_hash` is what the hub's Xet store knows it by, where the hub has said that it is there.
    """

    path: str
    size_bytes: int
    blob_id: str
    sha256: str | None
    xet_hash: str | None = None


XetUse = Literal["auto", "on", "off"]
"""By Xet comes what plain HTTP does not give, all that can, or nothing."""


class RepoTree(msgspec.Struct, frozen=True):
    """The files of one commit. `model_id` is as the hub names the repo now, which may have been
    renamed; `revision` is the commit in 40 hex digits."""

    model_id: str
    revision: str
    files: tuple[RepoFile, ...]


HubSort = Literal["trending", "downloads", "likes", "newest", "size"]


class TemplateFacts(msgspec.Struct, frozen=True):
    """What the chat template of a model knows."""

    tools: bool
    thoughts: bool


class HubModel(msgspec.Struct, frozen=True):
    """What a hub says of a model. What it does not say is None, or empty where that means so.

    `values` counts the values of its safetensors by type, as they are stored. `config` has the few
    fields of config.json that the hub repeats, `card` the head of the model card, `template` is
    there where the hub repeats the chat template. `files` are there where files were asked for.
    """

    id: str
    tags: tuple[str, ...] = ()
    revision: str | None = None
    pipeline_tag: str | None = None
    library: str | None = None
    license: str | None = None
    license_link: str | None = None
    base_model: str | None = None
    gated: bool | None = None
    downloads: int | None = None
    likes: int | None = None
    updated_at: str | None = None
    created_at: str | None = None
    values: dict[str, int] | None = None
    config: dict[str, Any] = {}
    card: dict[str, Any] = {}
    template: TemplateFacts | None = None
    files: tuple[RepoFile, ...] | None = None

    @property
    def author(self) -> str | None:
        """The namespace; None for the few old models that have none."""
        return self.id.partition("/")[0] if "/" in self.id else None

    @property
    def name(self) -> str:
        return self.id.rpartition("/")[2]


class HubQuery(msgspec.Struct, frozen=True):
    """What the hub itself is asked for; the rest is chosen of what it answers."""

    search: str | None = None
    author: str | None = None
    pipeline_tag: str | None = None
    tags: tuple[str, ...] = ()
    sort: HubSort | None = None
    limit: int = 50


class HubPage(msgspec.Struct, frozen=True):
    """Some models, and by what the hub knows those that follow."""

    models: tuple[HubModel, ...]
    cursor: str | None


class Told(msgspec.Struct, frozen=True):
    """How old an answer is: 0 of one that the hub has just given.

    `stale_because` says why an old one had to do.
    """

    age_s: float = 0.0
    stale_because: str | None = None


def checked_repo_id(text: str, *, param: str = "model_id") -> str:
    """`text`, if a repo can be called so: `name` or `org/name`. Raises InvalidRequest."""
    if _is_repo_id(text):
        return text
    name, _, tag = text.partition(":")
    if param == "model_id" and _PART.fullmatch(tag) and _is_repo_id(name):
        raise InvalidRequest(
            f"{_shown(text)} has a tag, and models of the hub are named without one.",
            hint="Name a repo that has the weights for MLX, such as one of mlx-community. A GGUF "
            "file is not served as it is: `mlx-gui pull` with `--file '*Q4_K_M.gguf'` brings one, "
            "and `mlx-gui import` converts it.",
            param=param,
        )
    raise InvalidRequest(
        f"{_shown(text)} is not the id of a model.",
        hint="An id is `org/name`: letters, digits, `-`, `_` and `.`, at most "
        f"{_LONGEST_PART} characters on either side of the slash, without `--` and `..`.",
        param=param,
    )


def _is_repo_id(text: str) -> bool:
    parts = text.split("/")
    return (
        len(parts) <= 2
        and all(len(part) <= _LONGEST_PART and _PART.fullmatch(part) for part in parts)
        and "--" not in text
        and ".." not in text
        and not text.endswith(".git")
    )


def checked_revision(text: str) -> str:
    """`text`, if a branch, a tag or a commit can be called so. Raises InvalidRequest."""
    if (
        len(text) > _LONGEST_REVISION
        or not _REVISION.fullmatch(text)
        or ".." in text
        or text.endswith((".", ".lock"))
    ):
        raise InvalidRequest(
            f"{_shown(text)} is not a revision of a model.",
            hint="A revision is a branch, a tag or a commit: letters, digits, `-`, `_`, `.`, `+` "
            "and `/`.",
            param="revision",
        )
    return text


def is_commit(revision: str) -> bool:
    """Whether `revision` names a commit in full, which never changes."""
    return _COMMIT.fullmatch(revision) is not None


def is_content_of(file: RepoFile, content: bytes) -> bool:
    """Whether `content` has the digest that the hub's list of files names."""
    if file.sha256 is not None:
        return hashlib.sha256(content).hexdigest() == file.sha256
    blob = b"blob %d\0" % len(content) + content
    return hashlib.sha1(blob, usedforsecurity=False).hexdigest() == file.blob_id


def commit_of_folder(path: str) -> str | None:
    """The commit of a repo that lies in the folder `path`, as in the Hugging Face cache."""
    folder = PurePosixPath(path)
    return folder.name if folder.parent.name == "snapshots" and is_commit(folder.name) else None


def safe_path(text: str) -> bool:
    """Whether `text` names a file within a repo, in any folder that the repo is put into."""
    path = PurePosixPath(text)
    return (
        bool(path.parts)
        and len(text) <= 1000
        and text.isprintable()
        and "\\" not in text
        and not path.is_absolute()
        and str(path) == text
        and ".." not in path.parts
        and all(len(part.encode()) <= 255 for part in path.parts)
    )


def _shown(text: str) -> str:
    written = repr(text)
    return written if len(written) <= 80 else f"{written[:77]}..."
