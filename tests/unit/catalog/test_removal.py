"""What goes when a model is removed."""

from pathlib import Path

import pytest
from filelock import FileLock

from mlx_gui.catalog.removal import Removal, removal_of, used_blobs
from mlx_gui.core.errors import Conflict
from tests.unit.catalog.caches import model_files, share, write_revision
from tests.unit.kinds.folders import write_model


@pytest.fixture
def cache(tmp_path: Path) -> Path:
    folder = tmp_path / "huggingface" / "hub"
    folder.mkdir(parents=True)
    return folder


@pytest.fixture
def files(tmp_path: Path) -> dict[str, bytes]:
    return model_files(tmp_path / "files")


def of_repo(cache: Path, snapshot: Path) -> Removal:
    return removal_of(cache, snapshot.parent.parent, snapshot)


def test_a_plain_folder_goes_as_a_whole_to_a_trash_in_its_model_folder(tmp_path: Path) -> None:
    folder = write_model(tmp_path / "org" / "one")
    removal = removal_of(tmp_path, folder, folder)
    size_bytes = sum(path.stat().st_size for path in folder.iterdir())
    assert removal == Removal(tmp_path, folder, freed_bytes=size_bytes)


def test_a_model_folder_that_is_a_model_itself_has_its_trash_beside_it(tmp_path: Path) -> None:
    folder = write_model(tmp_path / "one")
    assert removal_of(folder, folder, folder).base == tmp_path


def test_a_link_to_a_model_goes_alone_and_frees_nothing(tmp_path: Path) -> None:
    write_model(tmp_path / "far")
    (tmp_path / "models").mkdir()
    link = tmp_path / "models" / "near"
    link.symlink_to(tmp_path / "far")
    assert removal_of(tmp_path / "models", link, link) == Removal(tmp_path / "models", link)


def test_files_that_have_another_name_elsewhere_free_nothing(tmp_path: Path) -> None:
    folder = write_model(tmp_path / "models" / "one")
    (tmp_path / "kept").hardlink_to(folder / "model.safetensors")
    removal = removal_of(tmp_path / "models", folder, folder)
    sizes = {path.name: path.stat().st_size for path in folder.iterdir()}
    assert removal.freed_bytes == sum(sizes.values()) - sizes["model.safetensors"]


def test_the_only_revision_goes_with_its_repo_to_a_trash_beside_the_cache(
    cache: Path, files: dict[str, bytes]
) -> None:
    snapshot = write_revision(cache, "org/one", "aaa", files=files)
    removal = of_repo(cache, snapshot)
    assert (removal.base, removal.main) == (cache.parent, snapshot.parent.parent)
    assert (removal.first, removal.rest, removal.stays) == ((), (), ())
    assert removal.freed_bytes == sum(map(len, {*files.values()})) + len("aaa")


def test_of_several_revisions_that_one_goes_with_what_no_other_shares(
    cache: Path, files: dict[str, bytes]
) -> None:
    write_revision(cache, "org/one", "old", files=files)
    snapshot = write_revision(cache, "org/one", "new", files={**files, "config.json": b"{}new"})
    repo = snapshot.parent.parent
    (repo / "refs" / "v1").write_text("old", encoding="utf-8")
    removal = of_repo(cache, snapshot)
    assert removal.main == snapshot
    assert removal.first == (repo / "refs" / "main",)
    assert [path.read_bytes() for path in removal.rest] == [b"{}new"]
    assert removal.stays == ("old",)
    assert removal.freed_bytes == len(b"{}new")


def test_what_a_download_has_brought_stays(cache: Path, files: dict[str, bytes]) -> None:
    snapshot = write_revision(cache, "org/one", "aaa", files=files)
    repo = snapshot.parent.parent
    weights = (snapshot / "model.safetensors").resolve()
    (repo / ".mlx-gui").mkdir()
    (repo / ".mlx-gui" / "bbb.json").write_text(f'["{weights.name}"]', encoding="utf-8")
    removal = of_repo(cache, snapshot)
    assert removal.main == snapshot
    assert weights not in removal.rest
    assert len(removal.rest) == len({*files.values()}) - 1


def test_a_link_that_leaves_the_repo_takes_nothing_along(
    cache: Path, tmp_path: Path, files: dict[str, bytes]
) -> None:
    write_revision(cache, "org/one", "old", files={"config.json": b"old"})
    snapshot = write_revision(cache, "org/one", "new", files=files)
    (tmp_path / "precious").write_text("precious", encoding="utf-8")
    (snapshot / "link").symlink_to(tmp_path / "precious")
    assert {path.parent for path in of_repo(cache, snapshot).rest} == {
        snapshot.parent.parent / "blobs"
    }


def test_shared_blobs_count_only_if_nobody_else_has_them(
    cache: Path, files: dict[str, bytes]
) -> None:
    weights = files["model.safetensors"]
    snapshot = write_revision(cache, "org/one", "aaa", files=files)
    share(cache, "org/one", weights)
    alone = of_repo(cache, snapshot)
    assert len(alone.shared) == 1
    write_revision(cache, "org/two", "aaa", files=files)
    share(cache, "org/two", weights)
    shared = of_repo(cache, snapshot)
    assert alone.freed_bytes - shared.freed_bytes == len(weights)
    assert shared.freed_bytes == sum(map(len, {*files.values()})) - len(weights) + len("aaa")


def test_blobs_are_used_by_links_and_by_downloads(cache: Path, files: dict[str, bytes]) -> None:
    snapshot = write_revision(cache, "org/one", "aaa", files=files)
    repo = snapshot.parent.parent
    assert used_blobs(repo) == {blob.name for blob in (repo / "blobs").iterdir()}
    assert used_blobs(repo, without="aaa") == frozenset()


def test_a_place_whose_folders_may_not_be_written_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = write_model(tmp_path / "models" / "one")
    # Whoever runs the tests as root may write everywhere.
    monkeypatch.setattr("mlx_gui.catalog.removal.os.access", lambda *_: False)
    with pytest.raises(Conflict, match="cannot go to a trash"):
        removal_of(tmp_path / "models", folder, folder)


def test_a_repo_that_somebody_downloads_into_is_refused(
    cache: Path, files: dict[str, bytes]
) -> None:
    snapshot = write_revision(cache, "org/one", "aaa", files=files)
    lock = cache / ".locks" / "models--org--one" / "digest.lock"
    lock.parent.mkdir(parents=True)
    with FileLock(lock), pytest.raises(Conflict, match="downloads into"):
        of_repo(cache, snapshot)
    assert of_repo(cache, snapshot).main == snapshot.parent.parent
