"""What lies in the model folders, each file counted once."""

from pathlib import Path

from mlx_gui.api.manage.disk.translate import folder_bodies
from mlx_gui.catalog.disk import bytes_below, disk_use, space_for
from mlx_gui.catalog.recognitions import Recognitions
from mlx_gui.catalog.removal import TRASH_NAME
from mlx_gui.catalog.scan import search
from tests.unit.catalog.caches import model_files, share, write_revision
from tests.unit.kinds.folders import write_model


def used(*roots: Path):
    return disk_use(roots, search(roots, Recognitions()).sightings)


def test_models_trash_downloads_and_the_rest_are_told_apart(tmp_path: Path) -> None:
    one = write_model(tmp_path / "org" / "one")
    write_model(tmp_path / TRASH_NAME / "trash-1.0" / "files" / "0")
    (tmp_path / "models--org--two" / "blobs").mkdir(parents=True)
    (tmp_path / "models--org--two" / "blobs" / "x.incomplete").write_bytes(b"12345")
    (tmp_path / "stranger.bin").write_bytes(b"123")
    (use,) = used(tmp_path)
    size_bytes = bytes_below(one)
    assert use.models == {"org/one": size_bytes}
    assert (use.trash_bytes, use.downloads_bytes, use.other_bytes) == (size_bytes, 5, 3)
    assert use.room is not None
    assert 0 < use.room.free_bytes <= use.room.total_bytes


def test_what_repos_share_is_counted_once(tmp_path: Path) -> None:
    files = model_files(tmp_path / "files")
    cache = tmp_path / "hub"
    for name in ("org/one", "org/two"):
        write_revision(cache, name, "aaa", files=files)
        share(cache, name, files["model.safetensors"])
    (use,) = used(cache)
    own_bytes = sum(map(len, {*files.values()})) + len("aaa")
    assert use.models == {
        "org/one": own_bytes,
        "org/two": own_bytes - len(files["model.safetensors"]),
    }
    marker, lists = 2, use.other_bytes - 2
    assert use.other_bytes == marker + lists
    assert sum(use.models.values()) + use.other_bytes == bytes_below(cache)


def test_a_folder_within_another_is_counted_once(tmp_path: Path) -> None:
    one = write_model(tmp_path / "shelf" / "one")
    first, second = used(tmp_path, tmp_path / "shelf")
    assert first.models == {"shelf/one": bytes_below(one)}
    assert second.models == {}


def test_a_model_that_is_a_link_counts_where_it_is_listed(tmp_path: Path) -> None:
    far = write_model(tmp_path / "far" / "one")
    (tmp_path / "models").mkdir()
    (tmp_path / "models" / "near").symlink_to(far)
    (use,) = used(tmp_path / "models")
    assert use.models == {"near": bytes_below(far)}


def test_a_folder_that_will_be_made_has_the_room_of_its_disk(tmp_path: Path) -> None:
    (here,) = used(tmp_path)
    assert here.room is not None
    there = space_for(tmp_path / "not" / "yet")
    assert (there.device, there.total_bytes) == (here.room.device, here.room.total_bytes)
    assert abs(there.free_bytes - here.room.free_bytes) < here.room.total_bytes / 10


def test_a_folder_that_is_not_there_has_no_room(tmp_path: Path) -> None:
    (use,) = used(tmp_path / "away")
    assert (use.room, use.models, use.other_bytes) == (None, {}, 0)


def test_a_folder_is_away_if_models_were_seen_in_it(tmp_path: Path) -> None:
    uses = used(tmp_path / "seen", tmp_path / "unmade", tmp_path)
    bodies = folder_bodies(uses, {}, {tmp_path / "seen" / "org" / "one"})
    assert [(each.there, each.away) for each in bodies] == [
        (False, True),
        (False, False),
        (True, False),
    ]
