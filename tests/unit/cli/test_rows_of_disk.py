"""What the commands about the disk print, from what the server answers."""

import pytest

from mlx_gui.cli.disk import data_facts, folder_facts, model_row
from mlx_gui.cli.restore import chosen, trash_row
from mlx_gui.cli.rm import removal_sentences
from mlx_gui.core.errors import NotFound
from mlx_gui.wire.disk import DiskUse, FolderOnDisk, ModelOnDisk
from mlx_gui.wire.removals import RemovedModelBody, TrashEntryBody, TrashList

REMOVED = RemovedModelBody(
    id="org/one",
    trash_id="trash-0123456789ab",
    undo_until="2026-12-07T00:00:00.000Z",
    freed_bytes=271_000_000,
    other_revisions=[],
)
FOLDER = FolderOnDisk(
    path="/models",
    there=True,
    away=False,
    disk=1,
    total_bytes=1_000_000_000_000,
    free_bytes=250_000_000_000,
    models_bytes=271_000_000,
    downloads_bytes=0,
    trash_bytes=5_000_000,
    other_bytes=0,
    models=[],
)


def entry(number: int, model: str) -> TrashEntryBody:
    return TrashEntryBody(
        id=f"trash-{number}",
        model=model,
        removed_at="2026-11-30T00:00:00.000Z",
        undo_until="2026-12-07T00:00:00.000Z",
        freed_bytes=271_000_000,
        places=["/models/org/one"],
    )


def test_a_removal_says_how_to_undo_it() -> None:
    first, second = removal_sentences(REMOVED)
    assert first == "org/one is in the trash; 271.0 MB are free once that is emptied."
    assert "2026-12-07" in second
    assert "`mlx-gui restore trash-0123456789ab`" in second


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"trash_id": None}, "org/one is deleted; 271.0 MB are free again."),
        ({"trash_id": None, "freed_bytes": 0}, "org/one is deleted; 0 B are free again."),
        ({"other_revisions": ["abc"]}, "Other revisions stay in the cache"),
    ],
)
def test_a_removal_says_what_is_otherwise(change: dict[str, object], said: str) -> None:
    assert said in " ".join(removal_sentences(REMOVED.model_copy(update=change)))


def test_what_is_only_hidden_is_not_said_to_be_deleted() -> None:
    hidden = REMOVED.model_copy(update={"trash_id": None, "freed_bytes": 0})
    (said,) = removal_sentences(hidden, kept=True)
    assert said.startswith("org/one is hidden; its files stay.")


def test_the_trash_is_a_row_each() -> None:
    assert trash_row(entry(1, "org/one"))[:3] == ("trash-1", "org/one", "271.0 MB")


@pytest.mark.parametrize(
    ("name", "id"), [("trash-2", "trash-2"), ("org/one", "trash-3"), ("one", "trash-3")]
)
def test_what_comes_back_is_named_by_its_id_or_its_model(name: str, id: str) -> None:
    entries = [entry(3, "org/one"), entry(2, "org/two"), entry(1, "org/one")]
    assert chosen(TrashList(data=entries, freed_bytes=0), name).id == id


def test_what_is_not_in_the_trash_is_said_so() -> None:
    with pytest.raises(NotFound, match="'two' in the trash"):
        chosen(TrashList(data=[entry(1, "org/one")], freed_bytes=0), "two")


def test_a_folder_says_what_it_holds_and_leaves_out_what_is_nothing() -> None:
    assert folder_facts(FOLDER) == [
        ("Folder", "/models"),
        ("Free", "250.0 GB of 1000.0 GB"),
        ("Models", "271.0 MB"),
        ("Trash", "5.0 MB"),
    ]
    missing = {"there": False, "total_bytes": None, "free_bytes": None}
    away = FOLDER.model_copy(update=missing | {"away": True})
    assert folder_facts(away) == [("Folder", "/models"), ("Disk", "away")]
    unmade = FOLDER.model_copy(update=missing)
    assert folder_facts(unmade)[1] == ("Disk", "the folder is not there yet")


def test_a_model_on_the_disk_is_one_row() -> None:
    model = ModelOnDisk(id="org/one", disk_bytes=271_000_000, last_used_at=None)
    assert model_row(model) == ("  org/one", "271.0 MB", "-")


def test_the_data_directory_comes_last() -> None:
    disk = DiskUse(
        folders=[FOLDER],
        models_bytes=1,
        downloads_bytes=0,
        trash_bytes=0,
        other_bytes=0,
        cache_bytes=2_000_000,
        data_bytes=1_000_000,
        data_dir="/data",
        data_free_bytes=None,
    )
    assert data_facts(disk) == [
        ("Data directory", "/data"),
        ("Database", "1.0 MB"),
        ("Cache", "2.0 MB"),
        ("Free", "-"),
    ]
