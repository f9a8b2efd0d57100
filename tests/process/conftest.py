"""What tests of real processes share: a server, and what one has learnt of this machine."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.hub.server import HubServer
from tests.process.pulling import MB, limit, repo_folder, settings_of
from tests.process.visitor import Visitor, visited_server
from tests.support.server import first_start


@pytest.fixture
def known_machine(tmp_path: Path) -> None:
    """For workers whose cache is `tmp_path`: the BLAS is tried and built already."""
    shutil.copytree(first_start() / "cache", tmp_path, dirs_exist_ok=True)


@pytest.fixture(scope="module")
def usual(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Visitor]:
    with visited_server(tmp_path_factory.mktemp("server")) as visitor:
        yield visitor


@pytest.fixture
def server(usual: Visitor) -> Visitor:
    """With the default settings and nothing in memory: one server for all tests of a module."""
    left = usual.client.post("/v1/models/unload-all", params={"when": "idle"}).raise_for_status()
    assert left.json()["busy"] == []
    return usual


@pytest.fixture
def hub() -> Iterator[HubServer]:
    """A hub of its own for each test."""
    with HubServer() as made:
        yield made


@pytest.fixture
def slow(tmp_path: Path, hub: HubServer) -> Iterator[Visitor]:
    """A server that downloads slowly, so that there is time to look."""
    settings = settings_of(tmp_path, hub, download_stall_s=5)
    with visited_server(tmp_path, settings=settings) as visitor:
        limit(visitor.client, 2 * MB)
        yield visitor


@pytest.fixture
def noise(tmp_path: Path, hub: HubServer) -> Path:
    """The folder of a repo `org/noise` of two files of 6 MB."""
    folder = repo_folder(tmp_path / "noise", shards=2, shard_bytes=6 * MB)
    hub.add("org/noise", folder)
    return folder
