"""Which commit of a hub's repo an installed model is."""

from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from mlx_gui.catalog.scan import HUB_PREFIX
from mlx_gui.core.errors import InvalidRequest
from mlx_gui.core.hub import (
    DEFAULT_REVISION,
    checked_repo_id,
    checked_revision,
    commit_of_folder,
)
from mlx_gui.core.model import Model


@dataclass(frozen=True, slots=True)
class InstalledRevision:
    """The `commit` of `repo` that is here, and the `branch` or tag that it was when it came."""

    repo: str
    commit: str
    branch: str


def installed_revision(model: Model) -> InstalledRevision | None:
    """That of `model`; of one with an adapter, the adapter's. None for one that is of no hub."""
    folder = Path(model.adapter or model.path)
    commit, repo = commit_of_folder(str(folder)), folder.parent.parent
    if commit is None or not repo.name.startswith(HUB_PREFIX):
        return None
    try:
        name = checked_repo_id(repo.name.removeprefix(HUB_PREFIX).replace("--", "/"))
    except InvalidRequest:
        return None
    return InstalledRevision(name, commit, _branch(repo / "refs", commit))


def _branch(refs: Path, commit: str) -> str:
    """Of those that were `commit`, `main` before all others; also where none was."""
    found: set[str] = set()
    with suppress(OSError):
        for ref in refs.rglob("*"):
            if (
                ref.is_file()
                and ref.read_text(encoding="utf-8", errors="replace").strip() == commit
            ):
                with suppress(InvalidRequest):
                    found.add(checked_revision(ref.relative_to(refs).as_posix()))
    return DEFAULT_REVISION if DEFAULT_REVISION in found else min(found, default=DEFAULT_REVISION)
