"""What can be imported from elsewhere on this machine, and how its files come."""

from contextlib import nullcontext
from functools import partial
from pathlib import Path
from types import SimpleNamespace

import pytest

from mlx_gui.catalog.importing import (
    check_place,
    checked_name,
    copied,
    examine,
    is_placed,
    put_in_place,
    work_folder,
)
from mlx_gui.core.errors import Conflict, DiskFull, InvalidRequest, NotServable
from tests.unit.catalog.test_scan import hub_model
from tests.unit.kinds.folders import write_model


def test_a_model_folder_is_known_with_all_of_its_files(tmp_path: Path) -> None:
    folder = write_model(tmp_path / "org" / "model")
    (folder / "extra").mkdir()
    (folder / "extra" / "notes.txt").write_text("notes")
    found = examine(str(folder))
    assert (found.path, found.form) == (folder, "folder")
    names = {str(name) for name, _ in found.files}
    assert {"config.json", "extra/notes.txt"} <= names
    assert found.bytes == sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


def test_a_gguf_file_is_known_by_its_end(tmp_path: Path) -> None:
    (tmp_path / "small.GGUF").write_bytes(b"GGUF")
    assert examine(str(tmp_path / "small.GGUF")).form == "gguf"


@pytest.mark.parametrize(
    "path", ["", "models/one", "/nowhere/at/all", "/tmp/\0", "/tmp/a\nb", "/a" * 5000]
)
def test_a_path_that_is_none_is_refused_by_its_name(path: str) -> None:
    with pytest.raises(InvalidRequest) as refusal:
        examine(path)
    assert refusal.value.details["param"] == "path"
    assert len(refusal.value.message) < 200


def test_what_is_no_model_is_refused_with_what_to_name_instead(tmp_path: Path) -> None:
    (tmp_path / "model.tar.gz").write_bytes(b"")
    (tmp_path / "notes.txt").write_text("")
    (tmp_path / "empty").mkdir()
    (tmp_path / "empty" / "away").symlink_to("/etc/passwd")
    pickles = write_model(tmp_path / "pickles")
    for path in pickles.glob("*.safetensors"):
        path.rename(pickles / "pytorch_model.bin")
    for name, reason in (
        ("model.tar.gz", "an archive"),
        ("notes.txt", "neither a folder nor a GGUF file"),
        ("empty", "no config.json"),
        ("pickles", "no weights"),
    ):
        with pytest.raises(NotServable, match=reason) as refusal:
            examine(str(tmp_path / name))
        assert refusal.value.hint


def test_a_link_that_leaves_the_folder_is_refused_and_one_that_stays_is_followed(
    tmp_path: Path,
) -> None:
    folder = write_model(tmp_path / "model")
    (folder / "again.json").symlink_to("config.json")
    assert "again.json" in {str(name) for name, _ in examine(str(folder)).files}
    secret = tmp_path / "secret"
    secret.write_text("nobody's business")
    for target in (secret, Path("..") / "secret", tmp_path, "nowhere"):
        link = folder / "tokenizer_extra.json"
        link.unlink(missing_ok=True)
        link.symlink_to(target)
        with pytest.raises(NotServable, match="a link to something outside"):
            examine(str(folder))


def test_a_snapshot_of_a_hub_cache_may_link_to_its_blobs(tmp_path: Path) -> None:
    snapshot = hub_model(tmp_path, "org/model", "a1", main="a1")
    assert examine(str(snapshot)).files
    (tmp_path / "secret").write_text("nobody's business")
    (snapshot / "more.json").symlink_to(tmp_path / "secret")
    with pytest.raises(NotServable):
        examine(str(snapshot))


@pytest.mark.parametrize(
    "name", ["../up", "a/b/c", "", "a b", "https://hub/model", "x" * 500, "a/../b", "CON/\x1b[2J"]
)
def test_a_name_that_is_none_is_refused(name: str) -> None:
    with pytest.raises(InvalidRequest) as refusal:
        checked_name(name, Path("/models/one"))
    assert refusal.value.details["param"] == "name"


def test_without_a_name_a_model_is_called_as_its_folder_or_file(tmp_path: Path) -> None:
    assert checked_name(None, Path("/models/Qwen3-4B")) == "Qwen3-4B"
    assert checked_name(None, Path("/models/small.gguf")) == "small"


def test_a_place_that_is_taken_is_refused(tmp_path: Path) -> None:
    source = examine(str(write_model(tmp_path / "from" / "model")))
    for taken in (write_model(tmp_path / "to" / "model"), tmp_path / "to" / "link"):
        if not taken.exists():
            taken.symlink_to("nowhere")
        with pytest.raises(Conflict, match="already"):
            check_place(source, taken, tmp_path / "to", mode="link", reserve_bytes=0)


def test_a_place_within_another_model_is_refused(tmp_path: Path) -> None:
    root = tmp_path / "to"
    write_model(root / "model")
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (root / "link").symlink_to(elsewhere)
    source = examine(str(write_model(tmp_path / "from" / "model")))
    for owner in ("model", "link"):
        with pytest.raises(Conflict, match=f"in the folder of the model {owner}"):
            check_place(source, root / owner / "mine", root, mode="copy", reserve_bytes=0)
    check_place(source, root / "org" / "mine", root, mode="copy", reserve_bytes=0)


def test_what_would_lead_nowhere_is_not_moved(tmp_path: Path) -> None:
    root = tmp_path / "to"
    snapshot = examine(str(hub_model(tmp_path / "cache", "org/model", "a1", main="a1")))
    whole = write_model(tmp_path / "whole")
    (whole / "also.json").symlink_to(whole / "config.json")
    along = write_model(tmp_path / "along")
    (along / "also.json").symlink_to("config.json")
    for source in (snapshot, examine(str(whole))):
        with pytest.raises(InvalidRequest, match="would lead nowhere"):
            check_place(source, root / "model", root, mode="move", reserve_bytes=0)
        check_place(source, root / "model", root, mode="link", reserve_bytes=0)
    check_place(examine(str(along)), root / "model", root, mode="move", reserve_bytes=0)


def test_a_copy_that_does_not_fit_is_refused_before_it_begins(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = examine(str(write_model(tmp_path / "from" / "model")))
    target = tmp_path / "to" / "model"
    for free_bytes, reserve_bytes, fits in (
        (source.bytes, 1, False),
        (source.bytes + 1, 1, True),
        # A twentieth of a small disk.
        (11 * source.bytes - 1, 0, False),
        (11 * source.bytes, 0, True),
    ):
        usage = SimpleNamespace(total=200 * source.bytes, free=free_bytes)
        monkeypatch.setattr(
            "mlx_gui.catalog.importing.shutil.disk_usage", lambda _, usage=usage: usage
        )
        check = partial(check_place, source, target, target.parent, reserve_bytes=reserve_bytes)
        with nullcontext() if fits else pytest.raises(DiskFull, match=r"needs .* a reserve of"):
            check(mode="copy")
        for mode in ("link", "move"):
            check(mode=mode)


def test_a_copy_is_the_same_files_and_appears_at_once(tmp_path: Path) -> None:
    source = examine(str(hub_model(tmp_path / "cache", "org/model", "a1", main="a1")))
    root = tmp_path / "models"
    target = root / "org" / "model"
    work = work_folder(target, root)
    (work / "left").mkdir(parents=True)
    assert list(copied(source, work))[-1] == source.bytes
    assert not target.exists()
    put_in_place(work, target, work=work)
    assert is_placed(target, work=work)
    assert {str(name) for name, _ in source.files} == {path.name for path in target.iterdir()}
    assert not any(path.is_symlink() for path in target.iterdir())
    with pytest.raises(FileExistsError):
        put_in_place(target, target, work=work)


def test_what_another_has_put_there_is_not_taken_for_our_own(tmp_path: Path) -> None:
    target = write_model(tmp_path / "models" / "model")
    work = work_folder(target, tmp_path / "models")
    with pytest.raises(Conflict, match="already"):
        is_placed(target, work=work)
    work.parent.mkdir()
    work.with_name("model.placed").write_text("1")
    with pytest.raises(Conflict, match="already"):
        is_placed(target, work=work)
    assert not is_placed(tmp_path / "models" / "other", work=work)
