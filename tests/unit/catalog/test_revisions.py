"""Which commit of a repo lies in a folder, and what it was called when it came."""

from pathlib import Path

import msgspec
import pytest

from mlx_gui.catalog.revisions import InstalledRevision, installed_revision
from mlx_gui.core.model import Model

COMMIT, OTHER = "a" * 40, "b" * 40


def model_at(folder: Path) -> Model:
    return Model("org/one", str(folder), None, None, 0, "2026-01-01T00:00:00+00:00")


@pytest.mark.parametrize(
    ("refs", "branch"),
    [
        ({}, "main"),
        ({"main": COMMIT}, "main"),
        ({"main": COMMIT, "a-tag": COMMIT}, "main"),
        ({"main": OTHER, "v1": COMMIT, "v2": OTHER}, "v1"),
        ({"main": OTHER, "pr/2": f"{COMMIT}\n"}, "pr/2"),
        ({"main": OTHER, "..strange": COMMIT}, "main"),
    ],
)
def test_the_branch_is_what_it_was_when_it_came(
    tmp_path: Path, refs: dict[str, str], branch: str
) -> None:
    repo = tmp_path / "models--org--one"
    for name, commit in refs.items():
        (repo / "refs" / name).parent.mkdir(parents=True, exist_ok=True)
        (repo / "refs" / name).write_text(commit)
    model = model_at(repo / "snapshots" / COMMIT)
    assert installed_revision(model) == InstalledRevision("org/one", COMMIT, branch)


def test_of_a_model_with_an_adapter_it_is_the_adapters(tmp_path: Path) -> None:
    adapter = tmp_path / "models--me--tune" / "snapshots" / OTHER
    model = msgspec.structs.replace(model_at(tmp_path / "plain"), adapter=str(adapter))
    assert installed_revision(model) == InstalledRevision("me/tune", OTHER, "main")


@pytest.mark.parametrize(
    "place",
    [
        "org/one",
        f"models--org--one/snapshots/{COMMIT[:39]}",
        f"models--org--one/other/{COMMIT}",
        f"org--one/snapshots/{COMMIT}",
        f"models--a--b--c/snapshots/{COMMIT}",
        "",
    ],
)
def test_what_came_from_no_hub_has_none(tmp_path: Path, place: str) -> None:
    assert installed_revision(model_at(tmp_path / place)) is None
