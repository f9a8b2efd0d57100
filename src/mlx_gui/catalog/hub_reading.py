"""What a hub answers, read: JSON of strangers becomes plain data, or an error that says why not.

A field that is not what it should be is one that the hub did not say. What decides where bytes
come from and where they go must be right: an id, a commit, a path, a digest, a size.
"""

import re
from collections.abc import Mapping
from typing import Any, cast

import msgspec

from mlx_gui.core.errors import HubAnswer, InvalidRequest
from mlx_gui.core.hub import (
    HubModel,
    RepoFile,
    TemplateFacts,
    checked_repo_id,
    is_commit,
    safe_path,
)
from mlx_gui.core.licence import licence_in_card, web_link
from mlx_gui.core.markers import knows_thoughts, knows_tools

MOST_FILES = 20_000
_LONGEST_TEXT = 300
_MOST_TAGS = 1000
_MOST_BYTES = 2**50
_SHA1 = re.compile(r"[0-9a-f]{40}")
_SHA256 = re.compile(r"[0-9a-f]{64}")
_TEMPLATES = ("tokenizer_config", "chat_template_jinja", "processor_config")
"""Parts of a config of the hub that are long and looked at once."""
_HINT = "Is `hub_endpoint` the address of a hub? A proxy or a sign-in page may answer in its place."


def decoded(body: bytes, *, what: str) -> Any:
    """The JSON of `body`. Raises HubAnswer."""
    try:
        return msgspec.json.decode(body)
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError):
        html = body.lstrip()[:1] == b"<"
        found = "a web page" if html else "no JSON" if body.strip() else "nothing"
        raise HubAnswer(
            f"The hub answered {found} where {what} was asked for.", hint=_HINT
        ) from None


def read_models(answer: object) -> tuple[HubModel, ...]:
    """The models of a list, each once; those whose ids make no sense are left out.

    Raises HubAnswer.
    """
    if not isinstance(answer, list):
        raise HubAnswer("The hub answered no list where models were asked for.", hint=_HINT)
    found: dict[str, HubModel] = {}
    for each in cast("list[object]", answer):
        try:
            model = read_model(each)
        except HubAnswer:
            continue
        found.setdefault(model.id, model)
    return tuple(found.values())


def read_model(answer: object) -> HubModel:
    """One model. Raises HubAnswer where not even its id makes sense."""
    said = _mapping(answer)
    card = _mapping(said.get("cardData"))
    tags = _texts(said.get("tags"))[:_MOST_TAGS]
    revision = _text(said.get("sha"))
    config = _mapping(said.get("config"))
    return HubModel(
        id=_id(said.get("id") or said.get("modelId")),
        tags=tags,
        revision=revision if revision is not None and is_commit(revision) else None,
        pipeline_tag=_text(said.get("pipeline_tag")) or _text(card.get("pipeline_tag")),
        library=_text(said.get("library_name")) or _text(card.get("library_name")),
        license=_license(card, tags),
        license_link=web_link(card.get("license_link")),
        base_model=_base_model(said, card, tags),
        gated=bool(said["gated"]) if "gated" in said else None,
        downloads=_count(said.get("downloads")),
        likes=_count(said.get("likes")),
        updated_at=_text(said.get("lastModified")),
        created_at=_text(said.get("createdAt")),
        values=_values(said.get("safetensors")),
        config={name: value for name, value in config.items() if name not in _TEMPLATES},
        card=card,
        template=template_facts(_template(config)),
        files=_siblings(said.get("siblings")),
    )


def read_commit(answer: object) -> tuple[str, str]:
    """Id and commit of a repo, as they are now. Raises HubAnswer."""
    said = _mapping(answer)
    commit = said.get("sha")
    if not isinstance(commit, str) or not is_commit(commit):
        raise HubAnswer("The hub names no commit of the model.", hint=_HINT)
    return _id(said.get("id") or said.get("modelId")), commit


def read_tree(answer: object) -> tuple[RepoFile, ...]:
    """The files of one page of a tree. Raises HubAnswer for one that cannot be trusted."""
    if not isinstance(answer, list):
        raise HubAnswer("The hub answered no list where files were asked for.", hint=_HINT)
    entries = map(_mapping, cast("list[object]", answer))
    return tuple(_file(entry) for entry in entries if entry.get("type") == "file")


def check_files(files: tuple[RepoFile, ...]) -> None:
    """Raises HubAnswer where two of them could not lie in one folder."""
    paths = {file.path for file in files}
    folders = {
        "/".join(parts[:depth])
        for parts in (path.split("/") for path in paths)
        for depth in range(1, len(parts))
    }
    if len(paths) < len(files) or paths & folders:
        raise HubAnswer("The hub names a file of the model twice.", hint=_HINT)


def _file(entry: Mapping[str, object]) -> RepoFile:
    path, size_bytes, blob_id = entry.get("path"), entry.get("size"), entry.get("oid")
    lfs = entry.get("lfs")
    sha256 = None
    if lfs is not None:
        large = _mapping(lfs)
        sha256, size_bytes = large.get("oid"), large.get("size")
        if not isinstance(sha256, str) or not _SHA256.fullmatch(sha256):
            raise HubAnswer("The hub names no digest of a large file.", hint=_HINT)
    if not isinstance(path, str) or not safe_path(path):
        raise HubAnswer(
            f"The hub names a file {repr(path)[:80]}, which would not lie in the model's folder.",
            hint="Nothing of the model is fetched.",
        )
    if (
        type(size_bytes) is not int
        or not 0 <= size_bytes <= _MOST_BYTES
        or not isinstance(blob_id, str)
        or not _SHA1.fullmatch(blob_id)
    ):
        raise HubAnswer(f"The hub names no size and digest of {path}.", hint=_HINT)
    return RepoFile(path, size_bytes, blob_id, sha256, _xet_hash(entry.get("xetHash")))


def _xet_hash(said: object) -> str | None:
    """What is no such digest was not said, and the file is had otherwise."""
    return said if isinstance(said, str) and _SHA256.fullmatch(said) else None


def _siblings(siblings: object) -> tuple[RepoFile, ...] | None:
    """The files with their sizes; None where only names were said."""
    if not isinstance(siblings, list):
        return None
    files: list[RepoFile] = []
    for each in map(_mapping, cast("list[object]", siblings)[:MOST_FILES]):
        lfs = each.get("lfs")
        large = _mapping(lfs)
        entry = {
            "path": each.get("rfilename"),
            "size": each.get("size"),
            "oid": each.get("blobId"),
            "lfs": None if not lfs else {"oid": large.get("sha256"), "size": large.get("size")},
        }
        try:
            files.append(_file(entry))
        except HubAnswer:
            return None
    return tuple(files)


def _id(said: object) -> str:
    try:
        return checked_repo_id(said if isinstance(said, str) else "")
    except InvalidRequest:
        raise HubAnswer("The hub names a model whose id makes no sense.", hint=_HINT) from None


def _license(card: Mapping[str, object], tags: tuple[str, ...]) -> str | None:
    """What the card names, else the first tag."""
    named = licence_in_card(card)
    if named is not None:
        return named.name
    return next((tag.removeprefix("license:") for tag in tags if tag.startswith("license:")), None)


def _base_model(
    said: Mapping[str, object], card: Mapping[str, object], tags: tuple[str, ...]
) -> str | None:
    """The model that this one was made of; None where there are several, or nobody says."""
    listed = [_text(_mapping(each).get("id")) for each in _list(_mapping(said.get("baseModels")))]
    named = _texts(card.get("base_model")) or tuple(filter(None, [_text(card.get("base_model"))]))
    tagged = [tag.removeprefix("base_model:") for tag in tags if tag.startswith("base_model:")]
    plain = [tag for tag in tagged if ":" not in tag]
    for found in (listed, named, plain):
        distinct = set(found)
        if len(distinct) == 1:
            return _plain_id(distinct.pop())
    return None


def _plain_id(text: str | None) -> str | None:
    try:
        return checked_repo_id(text or "")
    except InvalidRequest:
        return None


def _values(said: object) -> dict[str, int] | None:
    counts = _mapping(_mapping(said).get("parameters"))
    found = {name: count for name, each in counts.items() if (count := _count(each)) is not None}
    return found or None


def _mapping(said: object) -> dict[str, Any]:
    return cast("dict[str, Any]", said) if isinstance(said, dict) else {}


def _list(said: Mapping[str, object]) -> list[object]:
    models = said.get("models")
    return cast("list[object]", models) if isinstance(models, list) else []


def _texts(said: object) -> tuple[str, ...]:
    members = cast("list[object]", said) if isinstance(said, list) else []
    return tuple(text for each in members if (text := _text(each)) is not None)


def _text(said: object) -> str | None:
    if not isinstance(said, str) or not 0 < len(said) <= _LONGEST_TEXT:
        return None
    return said if said.isprintable() else None


def _count(said: object) -> int | None:
    return said if type(said) is int and 0 <= said <= _MOST_BYTES else None


def template_facts(template: str) -> TemplateFacts | None:
    """What a chat template knows; None for an empty one."""
    if not template:
        return None
    return TemplateFacts(knows_tools(template), knows_thoughts(template))


def template_in(name: str, text: str) -> str:
    """The chat template that the file `name` of a repo holds; empty where it holds none."""
    if name.endswith(".jinja"):
        return text
    try:
        return _named_template(_mapping(msgspec.json.decode(text)))
    except (msgspec.DecodeError, RecursionError):
        return ""


def _template(config: Mapping[str, object]) -> str:
    """The chat template as the hub repeats it; empty where it does not."""
    jinja = config.get("chat_template_jinja")
    if isinstance(jinja, str):
        return jinja
    processor = _named_template(_mapping(config.get("processor_config")))
    return processor or _named_template(_mapping(config.get("tokenizer_config")))


def _named_template(said: Mapping[str, object]) -> str:
    found = said.get("chat_template")
    if isinstance(found, list):
        members = cast("list[object]", found)
        return "".join(
            str(cast("dict[str, object]", each).get("template", ""))
            for each in members
            if isinstance(each, dict)
        )
    return found if isinstance(found, str) else ""
