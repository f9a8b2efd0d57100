"""A removal, a restore and a deletion happen or do not, also where SIGKILL comes in between."""

import dataclasses
import errno
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from mlx_gui.catalog.deleting import clear_deletions
from mlx_gui.catalog.removal import TRASH_NAME, removal_of
from mlx_gui.catalog.shared_blobs import SharedBlobs
from mlx_gui.catalog.trash import Recovered, Trash, TrashEntry
from mlx_gui.core.errors import Conflict, DiskFull, NotFound
from tests.unit.catalog import kill_in_trash
from tests.unit.catalog.caches import model_files, share, tree, write_revision
from tests.unit.catalog.kill_in_trash import planned, remove, trash_of
from tests.unit.kinds.folders import write_model

REPOSITORY = Path(__file__).parents[3]


def plain(disk: Path) -> list[str]:
    """A folder of a model."""
    write_model(disk / "models" / "org" / "one")
    return ["models/org/one"]


def two_places(disk: Path) -> list[str]:
    """The same model in two model folders."""
    write_model(disk / "models" / "org" / "one")
    write_model(disk / "more" / "org" / "one")
    return ["models/org/one", "more/org/one"]


def repo(disk: Path) -> list[str]:
    """The only revision of a repo whose weights another repo shares."""
    files = model_files(disk / "files")
    for name in ("org/one", "org/two"):
        write_revision(disk / "hub", name, "aaa", files=files)
        share(disk / "hub", name, files["model.safetensors"])
    return ["hub/models--org--one/snapshots/aaa"]


def revision(disk: Path) -> list[str]:
    """One of two revisions of a repo, with weights in the shared store that no other has."""
    files = model_files(disk / "files")
    write_revision(disk / "hub", "org/one", "old", files=files)
    new = {**files, "model.safetensors": files["model.safetensors"] + b"new"}
    write_revision(disk / "hub", "org/one", "new", files=new)
    share(disk / "hub", "org/one", new["model.safetensors"])
    (disk / "hub" / "models--org--one" / "trees").mkdir()
    (disk / "hub" / "models--org--one" / "trees" / "new.json").write_text("[]", encoding="utf-8")
    return ["hub/models--org--one/snapshots/new"]


def restore(trash: Trash, entry_id: str) -> TrashEntry:
    trash.begin_restore(entry_id)
    return trash.restore(entry_id)


KINDS = pytest.mark.parametrize("build", [plain, two_places, repo, revision])


def outside(disk: Path) -> dict[str, object]:
    """All that is not in the trash, without what is there for locking alone and empty folders."""
    return {
        name: content
        for name, content in tree(disk).items()
        if TRASH_NAME not in name and not name.endswith((".lock", ".refs")) and content is not None
    }


def in_trash(disk: Path) -> list[str]:
    """What is left in trash folders besides locks and entries."""
    folders = [*disk.glob(TRASH_NAME), *disk.glob(f"*/{TRASH_NAME}")]
    names = (each.name for folder in folders for each in folder.iterdir())
    return [name for name in names if name != ".lock" and not name.startswith("trash-")]


@KINDS
def test_what_was_removed_comes_back_as_it_was(
    tmp_path: Path, build: Callable[[Path], list[str]]
) -> None:
    models = build(tmp_path)
    before = outside(tmp_path)
    remove(tmp_path, models)
    assert not any((tmp_path / model).exists() for model in models)
    trash = trash_of(tmp_path)
    (entry,) = trash.entries()
    assert entry.model_id == "org/one"
    assert entry.freed_bytes > 0
    assert restore(trash, entry.id) == entry
    assert outside(tmp_path) == before
    assert trash.entries() == []
    for model in models:
        assert all(path.exists() for path in (tmp_path / model).iterdir())


@KINDS
def test_what_is_deleted_frees_what_was_said(
    tmp_path: Path, build: Callable[[Path], list[str]]
) -> None:
    models = build(tmp_path)
    before_bytes = bytes_on_disk(tmp_path)
    remove(tmp_path, models)
    trash = trash_of(tmp_path)
    (entry,) = trash.entries()
    freed_bytes = trash.delete(entry.id)
    # The journal goes as well.
    assert 0 <= freed_bytes - entry.freed_bytes < 20_000
    assert before_bytes - bytes_on_disk(tmp_path) == pytest.approx(entry.freed_bytes, abs=300)
    assert trash.entries() == []
    with pytest.raises(NotFound):
        trash.delete(entry.id)


def bytes_on_disk(disk: Path) -> int:
    files = (path for path in disk.rglob("*") if path.is_file() and not path.is_symlink())
    return sum({path.stat().st_ino: path.stat().st_size for path in files}.values())


def test_another_revision_and_the_shared_store_stay_whole(tmp_path: Path) -> None:
    (model,) = revision(tmp_path)
    old = tmp_path / "hub/models--org--one/snapshots/old"
    before = {path.name: path.read_bytes() for path in old.iterdir()}
    remove(tmp_path, [model])
    assert {path.name: path.read_bytes() for path in old.iterdir()} == before
    assert not (tmp_path / "hub/models--org--one/refs/main").exists()


def test_shared_weights_come_back_though_the_store_has_dropped_them(tmp_path: Path) -> None:
    (model,) = repo(tmp_path)
    weights = (tmp_path / model / "model.safetensors").read_bytes()
    entry = (tmp_path / model / "model.safetensors").resolve()
    remove(tmp_path, [model])
    shutil.rmtree(tmp_path / "hub" / "models--org--two")
    assert SharedBlobs(tmp_path / "hub").sweep(entry.name) == len(weights)
    assert not entry.exists()
    trash = trash_of(tmp_path)
    restore(trash, trash.entries()[0].id)
    assert (tmp_path / model / "model.safetensors").read_bytes() == weights
    assert SharedBlobs(tmp_path / "hub").users(entry) == {
        tmp_path / "hub/models--org--one/blobs" / entry.name
    }


def test_what_others_share_stays_when_the_trash_is_emptied(tmp_path: Path) -> None:
    (model,) = repo(tmp_path)
    other = tmp_path / "hub/models--org--two/snapshots/aaa/model.safetensors"
    weights = other.read_bytes()
    remove(tmp_path, [model])
    trash = trash_of(tmp_path)
    trash.delete(trash.entries()[0].id)
    assert other.read_bytes() == weights
    shutil.rmtree(tmp_path / "hub" / "models--org--two")


def test_a_blob_that_another_revision_has_come_to_use_stays(tmp_path: Path) -> None:
    (model,) = revision(tmp_path)
    snapshot = tmp_path / model
    planned = removal_of(tmp_path / "hub", snapshot.parent.parent, snapshot)
    newest = snapshot.with_name("newest")
    shutil.copytree(snapshot, newest, symlinks=True)
    trash = trash_of(tmp_path)
    trash.confirm(trash.remove("org/one", [planned], name="org/one", now_s=1.0).id)
    assert all(path.read_bytes() for path in newest.iterdir() if path.name != "tokenizer.json")
    restore(trash, trash.entries()[0].id)
    assert all(path.exists() for path in snapshot.iterdir())


def test_nothing_is_overwritten_by_what_comes_back(tmp_path: Path) -> None:
    (model,) = plain(tmp_path)
    remove(tmp_path, [model])
    (tmp_path / model).mkdir()
    trash = trash_of(tmp_path)
    (entry,) = trash.entries()
    with pytest.raises(Conflict, match="there is something at"):
        restore(trash, entry.id)
    assert trash.entries() == [entry]
    (tmp_path / model).rmdir()
    restore(trash, entry.id)
    assert (tmp_path / model / "config.json").exists()


def test_a_move_that_fails_leaves_all_as_it_was(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    models = two_places(tmp_path)
    before = outside(tmp_path)
    rename = Path.rename

    def fail_at_the_second(source: Path, target: Path) -> Path:
        if source == tmp_path / "more" / "org" / "one":
            raise OSError(28, "No space left on device", str(source))
        return rename(source, target)

    monkeypatch.setattr(Path, "rename", fail_at_the_second)
    with pytest.raises(Exception, match="is full"):
        remove(tmp_path, models)
    assert outside(tmp_path) == before
    assert trash_of(tmp_path).entries() == []
    assert in_trash(tmp_path) == []


def test_what_was_begun_and_nobody_knows_of_is_told_after_a_crash(tmp_path: Path) -> None:
    (model,) = plain(tmp_path)
    place = tmp_path / model
    trash = trash_of(tmp_path)
    planned = removal_of(tmp_path / "models", place, place)
    entry = trash.remove("org/one", [planned], name="org/one", now_s=1.0)
    assert trash.entries() == []
    assert trash_of(tmp_path).recover() == Recovered((entry,), frozenset())
    trash.begin_restore(entry.id)
    assert trash.entries() == []
    assert trash_of(tmp_path).recover() == Recovered((), frozenset({"org/one"}))
    assert (place / "config.json").exists()


@pytest.mark.parametrize("name", ["trash-000000000000", "../models", "", "x" * 10_000])
def test_what_is_not_in_the_trash_is_not_found(tmp_path: Path, name: str) -> None:
    plain(tmp_path)
    trash = trash_of(tmp_path)
    for ask in (trash.get, trash.begin_restore, trash.restore, trash.delete):
        with pytest.raises(NotFound):
            ask(name)


def test_a_damaged_entry_is_left_alone_and_hides_no_other(tmp_path: Path) -> None:
    remove(tmp_path, plain(tmp_path))
    (journal,) = (tmp_path / "models" / TRASH_NAME).glob("trash-*/entry.json")
    damaged = journal.parent.with_name("trash-damaged.0")
    shutil.copytree(journal.parent, damaged)
    (damaged / "entry.json").write_text("{", encoding="utf-8")
    trash = trash_of(tmp_path)
    trash.recover()
    assert len(trash.entries()) == 1
    assert (damaged / "files" / "0" / "config.json").exists()


def killed(action: str, original: Path, copies: Path, models: list[str]) -> list[Path]:
    """Copies of the disk as each process has left it, the last of which has ended by itself."""
    copies.mkdir()
    subprocess.run(
        [sys.executable, kill_in_trash.__file__, action, str(original), str(copies), *models],
        check=True,
        env={**os.environ, "PYTHONPATH": f"{REPOSITORY}:{os.environ.get('PYTHONPATH', '')}"},
        timeout=300,
    )
    return sorted(copies.iterdir(), key=lambda copy: int(copy.name))


@KINDS
def test_a_kill_during_a_removal_leaves_the_model_or_an_entry(
    tmp_path: Path, build: Callable[[Path], list[str]]
) -> None:
    models = build(tmp_path / "disk")
    before = outside(tmp_path / "disk")
    copies = killed("remove", tmp_path / "disk", tmp_path / "copies", models)
    after = outside(copies[-1])
    happened: list[bool] = []
    for copy in copies:
        trash = trash_of(copy)
        unknown = trash.recover()
        entries = trash.entries()
        assert set(unknown.removed) <= set(entries)
        assert trash.recover() == Recovered((), frozenset())
        happened.append(bool(entries))
        assert outside(copy) == (after if entries else before)
        assert in_trash(copy) == []
        for entry in entries:
            restore(trash, entry.id)
        assert outside(copy) == before
    assert happened == sorted(happened)
    assert happened[0] is False
    assert happened[-1] is True
    assert len(copies) > 5


@KINDS
def test_a_kill_during_a_restore_leaves_the_entry_or_the_model(
    tmp_path: Path, build: Callable[[Path], list[str]]
) -> None:
    models = build(tmp_path / "disk")
    before = outside(tmp_path / "disk")
    remove(tmp_path / "disk", models)
    after = outside(tmp_path / "disk")
    copies = killed("restore", tmp_path / "disk", tmp_path / "copies", [])
    for copy in copies:
        trash = trash_of(copy)
        trash.recover()
        assert outside(copy) == (after if trash.entries() else before)
        assert in_trash(copy) == []
    assert trash_of(copies[0]).entries()
    assert not trash_of(copies[-1]).entries()


@KINDS
def test_a_kill_during_a_deletion_leaves_the_entry_or_nothing(
    tmp_path: Path, build: Callable[[Path], list[str]]
) -> None:
    models = build(tmp_path / "disk")
    before = outside(tmp_path / "disk")
    remove(tmp_path / "disk", models)
    after = outside(tmp_path / "disk")
    for copy in killed("delete", tmp_path / "disk", tmp_path / "copies", []):
        trash = trash_of(copy)
        trash.recover()
        assert in_trash(copy) == []
        assert outside(copy).items() <= after.items()
        for entry in trash.entries():
            if build is not two_places:
                restore(trash, entry.id)
                assert outside(copy) == before


@KINDS
def test_a_kill_during_a_deletion_for_good_leaves_a_place_whole_or_not_at_all(
    tmp_path: Path, build: Callable[[Path], list[str]]
) -> None:
    models = build(tmp_path / "disk")
    before = outside(tmp_path / "disk")
    copies = killed("delete-now", tmp_path / "disk", tmp_path / "copies", models)
    for copy in copies:
        clear_deletions([copy / "models", copy / "more", copy / "hub"])
        left = [each for each in models if (copy / each).exists()]
        if left == models:
            assert outside(copy) == before
        for each in left:
            assert {name for name in before if name.startswith(each)} <= outside(copy).keys()
        assert outside(copy).items() <= before.items()
    assert not any((copies[-1] / each).exists() for each in models)


def test_a_full_disk_has_no_room_for_a_trash_but_for_a_deletion(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    models = two_places(tmp_path)
    removals, before = planned(tmp_path, models), outside(tmp_path)

    def full(*_: object, **__: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with monkeypatch.context() as patched:
        patched.setattr(os, "mkdir", full)
        patched.setattr("mlx_gui.catalog.trash_folder.write_durably", full)
        with pytest.raises(DiskFull) as refused:
            trash_of(tmp_path).remove("org/one", removals, name="org/one", now_s=1.0)
        assert "--for-good" in refused.value.hint
        assert outside(tmp_path) == before
        freed_bytes = trash_of(tmp_path).delete_now(removals)
    assert freed_bytes == sum(removal.freed_bytes for removal in removals) > 0
    assert outside(tmp_path) == {}


def test_what_cannot_be_deleted_in_one_place_stays_in_all(tmp_path: Path) -> None:
    removals, before = planned(tmp_path, two_places(tmp_path)), outside(tmp_path)
    lost = dataclasses.replace(removals[1], main=tmp_path / "more" / "org" / "lost")
    with pytest.raises(Conflict, match="cannot be deleted"):
        trash_of(tmp_path).delete_now([removals[0], lost])
    assert outside(tmp_path) == before


def test_a_trash_that_nobody_can_read_says_so(tmp_path: Path) -> None:
    (tmp_path / TRASH_NAME).write_text("a file", encoding="utf-8")
    assert Trash(lambda: [tmp_path]).entries() == []
