"""Which folders are models, and what they are called."""

import os
import shutil
from pathlib import Path

import pytest

from mlx_gui.catalog import recognitions as recognitions_module
from mlx_gui.catalog import scan as scan_module
from mlx_gui.catalog.recognitions import Recognitions
from mlx_gui.catalog.scan import ScanResult, Search, combined, scan, search, search_again
from mlx_gui.core.licence import Licence
from mlx_gui.kinds.checkpoint import INDEX_FILE
from mlx_gui.kinds.registry import recognise
from tests.unit.kinds.folders import LLAMA, write_model


def names(result: ScanResult) -> list[str]:
    return [model.name for model in result.models]


def problem(result: ScanResult) -> str:
    (model,) = result.models
    return model.recognised.problem or ""


def hub_model(cache: Path, repository: str, revision: str, *, main: str | None) -> Path:
    """A snapshot as huggingface_hub lays it out: links into blobs."""
    folder = cache / f"models--{repository.replace('/', '--')}"
    blobs = write_model(folder / "blobs")
    snapshot = folder / "snapshots" / revision
    snapshot.mkdir(parents=True)
    for blob in blobs.iterdir():
        (snapshot / blob.name).symlink_to(os.path.relpath(blob, snapshot))
    if main is not None:
        (folder / "refs").mkdir(exist_ok=True)
        (folder / "refs" / "main").write_text(main, encoding="utf-8")
    return snapshot


def test_models_are_named_by_their_folders(tmp_path: Path) -> None:
    write_model(tmp_path / "alone")
    write_model(tmp_path / "org" / "model")
    write_model(tmp_path / "shelf" / "org" / "deep")
    write_model(tmp_path / "far" / "too" / "deep" / "down")
    result = scan([tmp_path])
    assert names(result) == ["alone", "org/deep", "org/model"]
    assert result.models[2].folder == tmp_path / "org" / "model"
    assert result.notes == ()


def test_a_model_folder_may_itself_be_one_of_the_folders(tmp_path: Path) -> None:
    write_model(tmp_path / "org" / "model")
    assert names(scan([tmp_path / "org" / "model"])) == ["model"]


@pytest.mark.parametrize(
    "name", ["config.json", "tokenizer_config.json", INDEX_FILE, "model.safetensors", "README.md"]
)
def test_a_pipe_in_a_model_folder_is_not_waited_for(tmp_path: Path, name: str) -> None:
    for place in ("one", "two"):
        folder = write_model(tmp_path / place / "org" / "model")
        (folder / name).unlink(missing_ok=True)
        os.mkfifo(folder / name)
    found = scan([tmp_path / "one", tmp_path / "two"])
    assert [each.name for each in found.models] == ["org/model"]


def test_a_model_says_what_its_files_take_on_disk(tmp_path: Path) -> None:
    folder = write_model(tmp_path / "one")
    (model,) = scan([tmp_path]).models
    assert model.disk_bytes == sum(path.stat().st_size for path in folder.iterdir())
    assert model.recognised.facts is not None


def test_what_is_no_model_is_passed_over(tmp_path: Path) -> None:
    write_model(tmp_path / "no config" / "x")
    (tmp_path / "no config" / "x" / "config.json").unlink()
    (tmp_path / "no weights").mkdir()
    (tmp_path / "no weights" / "config.json").write_text("{}", encoding="utf-8")
    write_model(tmp_path / ".hidden" / "model")
    write_model(tmp_path / "pipeline" / "unet")
    (tmp_path / "pipeline" / "model_index.json").touch()
    write_model(tmp_path / "datasets--org--name" / "x")
    (tmp_path / "file").touch()
    assert scan([tmp_path]) == ScanResult((), ())


def test_parts_of_a_model_are_no_models_of_their_own(tmp_path: Path) -> None:
    write_model(tmp_path / "model")
    write_model(tmp_path / "model" / "2_Dense")
    assert names(scan([tmp_path])) == ["model"]


def test_the_hub_cache_gives_the_revision_of_main(tmp_path: Path) -> None:
    hub_model(tmp_path, "org/name", "aaa", main=None)
    snapshot = hub_model(tmp_path, "org/name", "bbb", main="bbb\n")
    hub_model(tmp_path, "gpt2", "ccc", main="ccc")
    result = scan([tmp_path])
    assert names(result) == ["gpt2", "org/name"]
    assert result.models[1].folder == snapshot
    assert result.models[1].disk_bytes > 12_000


@pytest.mark.parametrize("main", [None, "gone", "../../../elsewhere", ""])
def test_without_a_usable_main_the_newest_revision_counts(tmp_path: Path, main: str | None) -> None:
    hub_model(tmp_path, "org/name", "old", main=None)
    newest = hub_model(tmp_path, "org/name", "new", main=main)
    os.utime(tmp_path / "models--org--name" / "snapshots" / "old", (1, 1))
    assert [model.folder for model in scan([tmp_path]).models] == [newest]


def test_a_repository_without_any_snapshot_is_passed_over(tmp_path: Path) -> None:
    (tmp_path / "models--org--empty" / "snapshots").mkdir(parents=True)
    (tmp_path / "models--org--nothing").mkdir()
    (tmp_path / "models--org--file").touch()
    assert scan([tmp_path]) == ScanResult((), ())


def test_a_shard_that_the_hub_cache_lacks_is_the_problem(tmp_path: Path) -> None:
    hub_model(tmp_path, "org/name", "aaa", main="aaa")
    (tmp_path / "models--org--name" / "blobs" / "model.safetensors").unlink()
    assert problem(scan([tmp_path])) == "model.safetensors is missing."


def test_of_two_models_with_one_name_the_first_folder_wins(tmp_path: Path) -> None:
    first = write_model(tmp_path / "a" / "org" / "same")
    second = write_model(tmp_path / "b" / "org" / "same")
    result = scan([tmp_path / "a", tmp_path / "b"])
    assert [model.folder for model in result.models] == [first]
    assert result.notes == (f"{second} is hidden by {first}, also org/same.",)


def test_a_folder_that_is_given_twice_or_within_another_counts_once(tmp_path: Path) -> None:
    write_model(tmp_path / "models" / "org" / "one")
    write_model(tmp_path / "models" / "shelf" / "org" / "deep")
    for roots in (["models", ".", "models"], [".", "models"]):
        result = scan([tmp_path / root for root in roots])
        assert names(result) == ["org/deep", "org/one"]
        assert result.notes == ()


def test_symlinks_are_followed_but_not_in_circles(tmp_path: Path) -> None:
    write_model(tmp_path / "disk" / "far")
    (tmp_path / "models").mkdir()
    write_model(tmp_path / "models" / "near")
    (tmp_path / "models" / "a-loop").symlink_to(tmp_path / "models")
    (tmp_path / "models" / "itself").symlink_to("itself")
    (tmp_path / "models" / "nowhere").symlink_to("nothing-there")
    (tmp_path / "models" / "far").symlink_to(tmp_path / "disk" / "far")
    assert names(scan([tmp_path / "models"])) == ["far", "near"]


def test_a_name_that_no_client_could_write_is_left_out(tmp_path: Path) -> None:
    write_model(tmp_path / "new\nline")
    write_model(Path(os.fsdecode(bytes(tmp_path) + b"/not-\xff-utf8")))
    result = scan([tmp_path])
    assert result.models == ()
    assert len(result.notes) == 2
    assert r"new\nline" in "".join(result.notes)
    "".join(result.notes).encode()


def test_a_folder_that_cannot_be_read_is_noted(tmp_path: Path) -> None:
    write_model(tmp_path / "good")
    too_long = tmp_path / ("x" * 300)
    result = scan([too_long, tmp_path])
    assert names(result) == ["good"]
    assert "cannot be read: File name too long" in result.notes[0]


def test_folders_that_are_not_there_are_no_news(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    assert scan([tmp_path / "away", tmp_path / "file"]) == ScanResult((), ())


def test_a_huge_tree_is_left_with_a_note(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(scan_module, "MAX_ENTRIES", 20)
    write_model(tmp_path / "first")
    for number in range(30):
        (tmp_path / "second" / str(number)).mkdir(parents=True)
    result = scan([tmp_path])
    assert names(result) == ["first"]
    assert "too many files" in result.notes[0]


@pytest.mark.parametrize(
    ("name", "content", "expected"),
    [
        ("config.json", b'{"model_type": ', "config.json is not valid JSON"),
        ("model.safetensors", b"\x10", "model.safetensors does not begin as"),
        ("model.safetensors", None, "no file named model"),
        ("tokenizer.json", None, "There is no tokenizer"),
        (INDEX_FILE, b'{"weight_map": {"w": "model-2.safetensors"}}', "model-2.safetensors, named"),
    ],
)
def test_a_broken_model_is_listed_with_its_reason(
    tmp_path: Path, name: str, content: bytes | None, expected: str
) -> None:
    folder = write_model(tmp_path / "broken", config=LLAMA)
    if content is None:
        (folder / name).unlink()
        (folder / "adapter.safetensors").touch()
    else:
        (folder / name).write_bytes(content)
    assert expected in problem(scan([tmp_path]))


def test_what_has_not_changed_is_not_read_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_model(tmp_path / "same")
    write_model(tmp_path / "changed")
    known = Recognitions()
    first = search([tmp_path], known)
    read: list[Path] = []
    monkeypatch.setattr(
        recognitions_module, "recognise", lambda folder: read.append(folder) or recognise(folder)
    )
    assert search([tmp_path], known) == first
    assert read == []
    (tmp_path / "changed" / "config.json").write_text("{", encoding="utf-8")
    result = combined(search([tmp_path], known), known)
    assert read == [tmp_path / "changed"]
    assert "not valid JSON" in (result.models[0].recognised.problem or "")


def test_a_licence_is_known_as_long_as_the_files_are_the_same(tmp_path: Path) -> None:
    folder = write_model(tmp_path / "one")
    known = Recognitions()

    def named() -> Licence | None:
        return combined(search([tmp_path], known), known).models[0].licence

    assert named() is None
    (folder / "README.md").write_text("---\nlicense: mit\n---\n", encoding="utf-8")
    assert named() == Licence("mit")
    (folder / "README.md").unlink()
    assert named() is None


def test_a_file_that_another_of_its_size_and_time_replaced_is_read_again(tmp_path: Path) -> None:
    config = write_model(tmp_path / "one") / "config.json"
    known = Recognitions()
    search([tmp_path], known)
    stat = config.stat()
    other = tmp_path / "other.json"
    other.write_bytes(b"{" * stat.st_size)
    os.utime(other, ns=(stat.st_atime_ns, stat.st_mtime_ns))
    other.replace(config)
    assert "not valid JSON" in problem(combined(search([tmp_path], known), known))


def test_one_folder_is_looked_at_without_the_others(tmp_path: Path) -> None:
    known = Recognitions()
    roots = [tmp_path / "a", tmp_path / "b"]
    write_model(tmp_path / "a" / "org" / "one")
    before = search(roots, known)
    write_model(tmp_path / "a" / "unseen")
    write_model(tmp_path / "b" / "two")
    snapshot = hub_model(tmp_path / "b", "org/three", "aaa", main="aaa")
    after = search_again(before, roots, tmp_path / "b" / "two", known)
    assert names(combined(after, known)) == ["org/one", "two"]
    after = search_again(after, roots, tmp_path / "b" / "models--org--three", known)
    assert names(combined(after, known)) == ["org/one", "org/three", "two"]
    assert combined(after, known).models[1].folder == snapshot
    shutil.rmtree(tmp_path / "a" / "org" / "one")
    after = search_again(after, roots, tmp_path / "a" / "org" / "one", known)
    assert names(combined(after, known)) == ["org/three", "two"]


def test_a_look_at_one_folder_finds_what_a_search_would_have_found(tmp_path: Path) -> None:
    roots = [tmp_path / "a", tmp_path / "b"]
    places = [
        write_model(tmp_path / "a" / "org" / "same"),
        write_model(tmp_path / "b" / "org" / "same"),
        write_model(tmp_path / "a" / "shelf" / "org" / "deep"),
        write_model(tmp_path / "b" / "alone"),
    ]
    (tmp_path / "b" / "linked").symlink_to(tmp_path / "a" / "org" / "same")
    known = Recognitions()
    whole = search(roots, known)
    for order in (places, places[::-1]):
        found = Search((), ())
        for place in order:
            found = search_again(found, roots, place, known)
        assert found.sightings == whole.sightings


@pytest.mark.parametrize("place", ["elsewhere/one", "models/far/too/deep/down"])
def test_a_folder_that_no_search_would_find_changes_nothing(tmp_path: Path, place: str) -> None:
    write_model(tmp_path / place)
    nothing = Search((), ())
    assert search_again(nothing, [tmp_path / "models"], tmp_path / place, Recognitions()) == nothing
