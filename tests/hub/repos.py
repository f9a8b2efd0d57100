"""Repos as the hub has them: the files of real folders, with what their owner says of them."""

import hashlib
import json
import struct
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from tests.hub.xorbs import xet_hash_of

LARGE = (".safetensors", ".gguf", ".bin", ".pt", ".pth", ".onnx", ".model", ".npz")
"""What `.gitattributes` of the hub has stored as LFS files, besides what is called so here."""
_OF_TOKENIZER = ("bos_token", "chat_template", "eos_token", "pad_token", "unk_token")
LARGE_NAMES = ("tokenizer.json",)


@dataclass(frozen=True, slots=True)
class StoredFile:
    """One file of a commit. `oid` is git's sha1 of it, for an LFS file that of its pointer.

    `xet_hash` is what the Xet store knows it by, if it is there.
    """

    path: str
    source: Path
    size: int
    oid: str
    sha256: str | None
    xet_hash: str | None = None

    @property
    def etag(self) -> str:
        return self.sha256 or self.oid

    @property
    def pointer_size(self) -> int:
        return len(_pointer(self.sha256 or "", self.size))


@dataclass(frozen=True, slots=True)
class Commit:
    """What a repo held at one time."""

    sha: str
    files: tuple[StoredFile, ...]

    def find(self, path: str) -> StoredFile | None:
        return next((each for each in self.files if each.path == path), None)


@dataclass(slots=True)
class Repo:
    """A repo; `commits` are by their hash, `refs` by branch or tag."""

    id: str
    tags: tuple[str, ...] = ()
    pipeline_tag: str | None = None
    library_name: str | None = None
    license: str | None = None
    base_model: str | None = None
    relation: str = "quantized"
    downloads: int = 0
    likes: int = 0
    trending: int = 0
    created_at: str = "2025-01-01T00:00:00.000Z"
    last_modified: str = "2025-06-01T00:00:00.000Z"
    gated: Literal["auto", "manual", False] = False
    card: Mapping[str, Any] = field(default_factory=dict[str, Any])
    repeats_templates: bool = True
    """Whether the hub shows the chat template where it lists the repo, which not all do."""
    xet: bool = False
    """Whether its large files are in the Xet store too."""
    commits: dict[str, Commit] = field(default_factory=dict[str, Commit])
    refs: dict[str, str] = field(default_factory=dict[str, str])

    @property
    def author(self) -> str | None:
        return self.id.partition("/")[0] if "/" in self.id else None

    @property
    def head(self) -> Commit:
        return self.commits[self.refs["main"]]

    def at(self, revision: str) -> Commit | None:
        return self.commits.get(self.refs.get(revision, revision))

    def commit(self, folder: Path, *, branch: str = "main") -> Commit:
        """Put the files of `folder` onto `branch`."""
        paths = (path for path in sorted(folder.rglob("*")) if path.is_file())
        files = tuple(_stored(path, folder, xet=self.xet) for path in paths)
        listing = "\n".join(f"{each.path} {each.etag}" for each in files)
        commit = Commit(_sha1(f"{self.id}\n{listing}".encode()), files)
        self.commits[commit.sha] = commit
        self.refs[branch] = commit.sha
        return commit

    def all_tags(self) -> list[str]:
        """With those that the hub adds by what it found."""
        found = [*self.tags]
        if self.license is not None:
            found.append(f"license:{self.license}")
        if self.base_model is not None:
            found += [
                f"base_model:{self.base_model}",
                f"base_model:{self.relation}:{self.base_model}",
            ]
        if self.library_name is not None and self.library_name not in found:
            found.append(self.library_name)
        if self.pipeline_tag is not None:
            found.append(self.pipeline_tag)
        config = _config(self.head)
        if isinstance(config.get("model_type"), str):
            found.append(config["model_type"])
        if any(each.path.endswith(".safetensors") for each in self.head.files):
            found.append("safetensors")
        return list(dict.fromkeys(found))


def describe(repo: Repo, commit: Commit, *, sized: bool = False) -> dict[str, Any]:
    """All that the hub says of a repo; who asks for less gets some of it."""
    described: dict[str, Any] = {
        "_id": _sha1(repo.id.encode())[:24],
        "id": repo.id,
        "modelId": repo.id,
        "author": repo.author,
        "sha": commit.sha,
        "createdAt": repo.created_at,
        "lastModified": repo.last_modified,
        "private": False,
        "disabled": False,
        "gated": repo.gated,
        "downloads": repo.downloads,
        "downloadsAllTime": repo.downloads * 10,
        "likes": repo.likes,
        "trendingScore": repo.trending,
        "tags": repo.all_tags(),
        "cardData": card_of(repo),
        "config": hub_config(commit, templates=repo.repeats_templates),
        "usedStorage": sum(each.size for each in commit.files),
        "siblings": [_sibling(each, sized=sized) for each in commit.files],
        "spaces": [],
    }
    if repo.pipeline_tag is not None:
        described["pipeline_tag"] = repo.pipeline_tag
    if repo.library_name is not None:
        described["library_name"] = repo.library_name
    if repo.base_model is not None:
        described["baseModels"] = {
            "relation": repo.relation, "models": [{"id": repo.base_model, "_id": "0" * 24}]
        }  # fmt: skip
    if (parameters := safetensors_parameters(commit)) is not None:
        described["safetensors"] = parameters
    return described


def card_of(repo: Repo) -> dict[str, Any]:
    """The head of the model card, as its owner wrote it."""
    card = dict(repo.card)
    if repo.license is not None:
        card["license"] = repo.license
    if repo.base_model is not None:
        card["base_model"] = repo.base_model
    if repo.library_name is not None:
        card["library_name"] = repo.library_name
    if repo.pipeline_tag is not None:
        card["pipeline_tag"] = repo.pipeline_tag
    return card


def hub_config(commit: Commit, *, templates: bool) -> dict[str, Any]:
    """The few fields of config.json that the hub repeats, and the chat template."""
    config = _config(commit)
    kept = {
        name: config[name] for name in ("architectures", "model_type", "auto_map") if name in config
    }
    if templates:
        kept |= _templates(commit)
    quantization = config.get("quantization_config") or config.get("quantization")
    if quantization is not None:
        kept["quantization_config"] = quantization
    return kept


def _templates(commit: Commit) -> dict[str, Any]:
    """By the names that the hub gives the files."""
    found: dict[str, Any] = {}
    tokenizer = _read_json(commit, "tokenizer_config.json")
    if said := {name: tokenizer[name] for name in _OF_TOKENIZER if name in tokenizer}:
        found["tokenizer_config"] = said
    if (jinja := commit.find("chat_template.jinja")) is not None:
        found["chat_template_jinja"] = jinja.source.read_text()
    if template := _read_json(commit, "chat_template.json").get("chat_template"):
        found["processor_config"] = {"chat_template": template}
    return found


def safetensors_parameters(commit: Commit) -> dict[str, Any] | None:
    """Values by type, as stored; None without such files."""
    counts: dict[str, int] = {}
    for each in commit.files:
        if not each.path.endswith(".safetensors"):
            continue
        with each.source.open("rb") as file:
            (length,) = struct.unpack("<Q", file.read(8))
            header = json.loads(file.read(length))
        for name, tensor in header.items():
            if name != "__metadata__":
                count = 1
                for size in tensor["shape"]:
                    count *= size
                counts[tensor["dtype"]] = counts.get(tensor["dtype"], 0) + count
    return {"parameters": counts, "total": sum(counts.values())} if counts else None


def tree_entries(commit: Commit, folder: str, *, recursive: bool) -> list[dict[str, Any]]:
    """Files and folders below `folder`, as the tree lists them."""
    prefix = f"{folder}/" if folder else ""
    folders: dict[str, None] = {}
    files: list[dict[str, Any]] = []
    for each in commit.files:
        if not each.path.startswith(prefix):
            continue
        parts = each.path[len(prefix) :].split("/")
        for depth in range(1, len(parts)):
            if recursive or depth == 1:
                folders[prefix + "/".join(parts[:depth])] = None
        if recursive or len(parts) == 1:
            files.append(_entry(each))
    listed = [
        {"type": "directory", "oid": _sha1(path.encode()), "size": 0, "path": path}
        for path in folders
    ]
    return listed + files


def _entry(file: StoredFile) -> dict[str, Any]:
    entry: dict[str, Any] = {
        "type": "file", "oid": file.oid, "size": file.size, "path": file.path
    }  # fmt: skip
    if file.sha256 is not None:
        entry["lfs"] = {
            "oid": file.sha256, "size": file.size, "pointerSize": file.pointer_size
        }  # fmt: skip
    if file.xet_hash is not None:
        entry["xetHash"] = file.xet_hash
    return entry


def _sibling(file: StoredFile, *, sized: bool) -> dict[str, Any]:
    sibling: dict[str, Any] = {"rfilename": file.path}
    if sized:
        sibling |= {"size": file.size, "blobId": file.oid}
        if file.sha256 is not None:
            sibling["lfs"] = {
                "sha256": file.sha256, "size": file.size, "pointerSize": file.pointer_size
            }  # fmt: skip
    return sibling


def _stored(path: Path, folder: Path, *, xet: bool) -> StoredFile:
    name = path.relative_to(folder).as_posix()
    content = path.read_bytes()
    if name.endswith(LARGE) or path.name in LARGE_NAMES:
        sha256 = hashlib.sha256(content).hexdigest()
        return StoredFile(
            name,
            path,
            len(content),
            _blob_id(_pointer(sha256, len(content))),
            sha256,
            xet_hash_of(path) if xet else None,
        )
    return StoredFile(name, path, len(content), _blob_id(content), None)


def _pointer(sha256: str, size: int) -> bytes:
    version = "version https://git-lfs.github.com/spec/v1"
    return f"{version}\noid sha256:{sha256}\nsize {size}\n".encode()


def _blob_id(content: bytes) -> str:
    return _sha1(b"blob %d\0" % len(content) + content)


def _sha1(content: bytes) -> str:
    return hashlib.sha1(content, usedforsecurity=False).hexdigest()


def _config(commit: Commit) -> dict[str, Any]:
    return _read_json(commit, "config.json")


def _read_json(commit: Commit, path: str) -> dict[str, Any]:
    file = commit.find(path)
    if file is None:
        return {}
    try:
        read = json.loads(file.source.read_bytes())
    except ValueError:
        return {}
    return read if isinstance(read, dict) else {}
