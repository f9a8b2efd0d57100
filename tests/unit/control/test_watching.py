"""Models that come and go are noticed without anybody asking for a search."""

import asyncio
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from mlx_gui.catalog.library import Library
from mlx_gui.control.watching import FolderWatch
from mlx_gui.store.database import Store
from tests.unit.catalog.caches import model_files, write_revision
from tests.unit.kinds.folders import write_model


class Watched:
    """A library of the folders `models` and `hub`, and how often a look had it searched."""

    def __init__(self, store: Store, folder: Path) -> None:
        self.library = Library(
            store=store,
            model_dirs=lambda: (folder / "models", folder / "hub"),
            supported=dict,
            on_change=lambda: None,
        )
        self.searches = 0
        self.watch = FolderWatch(self.library, every_s=lambda: 1, search=self._search)
        asyncio.run(self.library.rescan())
        self.look()

    def look(self) -> None:
        asyncio.run(self.watch.look())

    def ids(self) -> list[str]:
        return [model.id for model in self.library.models()]

    async def _search(self) -> None:
        self.searches += 1
        await self.library.rescan()


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    opened = Store.open(tmp_path / "data")
    yield opened
    opened.close()


@pytest.fixture
def watched(store: Store, tmp_path: Path) -> Watched:
    write_model(tmp_path / "models" / "org" / "one")
    write_revision(tmp_path / "hub", "org/two", "a" * 40, files=model_files(tmp_path / "files"))
    return Watched(store, tmp_path)


def test_folders_that_stay_as_they_are_are_not_searched(watched: Watched) -> None:
    for _ in range(3):
        watched.look()
    assert watched.searches == 0


def test_a_model_that_comes_or_goes_is_noticed_once_it_is_settled(
    watched: Watched, tmp_path: Path
) -> None:
    write_model(tmp_path / "models" / "org" / "new")
    watched.look()
    assert watched.searches == 0
    watched.look()
    assert watched.ids() == ["org/new", "org/one", "org/two"]
    shutil.rmtree(tmp_path / "models" / "org" / "one")
    watched.look()
    watched.look()
    assert watched.ids() == ["org/new", "org/two"]
    watched.look()
    assert watched.searches == 2


def test_another_revision_of_the_hub_cache_is_noticed(watched: Watched, tmp_path: Path) -> None:
    files = model_files(tmp_path / "files")
    snapshot = write_revision(tmp_path / "hub", "org/two", "b" * 40, files=files)
    watched.look()
    watched.look()
    assert watched.library.resolve("org/two").path == str(snapshot)


def test_a_file_that_is_still_being_copied_is_noticed_when_it_is_whole(
    watched: Watched, tmp_path: Path
) -> None:
    weights = write_model(tmp_path / "models" / "org" / "new") / "model.safetensors"
    whole = weights.read_bytes()
    weights.write_bytes(whole[:100])
    watched.look()
    watched.look()
    assert watched.library.resolve("org/new").problem is not None
    # In its place, so that the folder does not change.
    with weights.open("r+b") as file:
        file.write(whole)
    watched.look()
    watched.look()
    assert watched.library.resolve("org/new").problem is None


def test_a_disk_that_goes_and_comes_back_is_noticed(watched: Watched, tmp_path: Path) -> None:
    (tmp_path / "models").rename(tmp_path / "unplugged")
    watched.look()
    watched.look()
    assert watched.library.resolve("org/one").away
    (tmp_path / "unplugged").rename(tmp_path / "models")
    watched.look()
    watched.look()
    assert not watched.library.resolve("org/one").away
