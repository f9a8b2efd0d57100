"""Downloads that something comes in the way of: damage, kills, stops, hubs and disks."""

import random
import subprocess
import time
from contextlib import suppress
from pathlib import Path

import pytest

from tests.hub.faults import Fault
from tests.hub.server import HubServer
from tests.process.pulling import (
    MB,
    Pull,
    check_whole,
    fetchers,
    install,
    left_behind,
    repo_folder,
    settings_of,
)
from tests.process.visitor import Visitor, visited_server
from tests.support.server import running_server
from tests.support.waiting import wait_until


def test_a_flipped_byte_is_found_and_only_that_file_fetched_again(
    slow: Visitor, noise: Path, tmp_path: Path, hub: HubServer
) -> None:
    name = "model-00002-of-00002.safetensors"
    hub.fault("org/noise", Fault("flip", at_bytes=5 * MB), path=name)
    hub.fault("org/noise", Fault("cut", after_bytes=100_000, times=2), path=name)
    hub.fault("org/noise", Fault("status", where="resolve", status=503), path="config.json")
    hub.fault("org/noise", Fault("expire", uses=1, times=3))
    pull = install(slow.client, "org/noise")
    pull.until("done")
    pull.check_progress()
    check_whole(tmp_path / "hub", "org/noise", noise)


@pytest.mark.soak
def test_a_file_that_was_damaged_on_the_disk_meanwhile_is_fetched_again(
    slow: Visitor, noise: Path, tmp_path: Path, hub: HubServer
) -> None:
    cache = tmp_path / "hub"
    # The second file does not come to its end, however late somebody looks.
    hub.fault(
        "org/noise", Fault("stall", after_bytes=2 * MB), path="model-00002-of-00002.safetensors"
    )
    pull = install(slow.client, "org/noise")
    pull.until("downloading", bytes_done=7 * MB)
    pull.do("pause")
    blobs = cache / "models--org--noise" / "blobs"
    whole = [path for path in blobs.iterdir() if path.suffix == "" and path.stat().st_size > MB]
    for path in whole:
        with path.open("r+b") as content:
            content.seek(5000)
            content.write(b"damage")
    pull.do("resume")
    pull.finish()
    pull.check_progress()
    check_whole(cache, "org/noise", noise)


@pytest.mark.parametrize("kills", [5, pytest.param(50, marks=pytest.mark.soak)])
@pytest.mark.parametrize("victim", ["child", "server"])
def test_kills_at_any_moment_cost_nothing_that_was_kept(
    tmp_path: Path, hub: HubServer, kills: int, victim: str
) -> None:
    source = repo_folder(tmp_path / "noise", shards=3, shard_bytes=(3 + kills // 4) * MB)
    hub.add("org/noise", source)
    chance = random.Random(kills)
    cache = tmp_path / "hub"
    settings = settings_of(tmp_path, hub, download_limit_bytes=4 * MB)
    pull: Pull | None = None
    witness = Witness(hub, cache, "org/noise")
    left = kills
    while True:
        with running_server(tmp_path, settings=settings) as server, server.client() as client:
            if pull is None:
                pull = install(client, "org/noise")
            pull.client = client
            while left:
                left -= 1
                if pull.look()["state"] == "done":
                    break
                ends_s = time.monotonic() + chance.uniform(0, 1.2)
                while time.monotonic() < ends_s and pull.look()["state"] != "done":
                    time.sleep(0.1)
                if victim == "server":
                    server.process.kill()
                    server.process.wait()
                    witness.look()
                    break
                for child in fetchers(server):
                    child.kill()
                    witness.look()
            else:
                pull.until("done")
                break
    pull.check_progress()
    check_whole(cache, "org/noise", source)
    witness.check()


class Witness:
    """Sees which files were there at some moment, and whether they are asked for after it."""

    def __init__(self, hub: HubServer, cache: Path, model_id: str) -> None:
        self._hub = hub
        self._blobs = cache / f"models--{model_id.replace('/', '--')}" / "blobs"
        self._names = {file.etag: file.path for file in hub.repos[model_id].head.files}
        self._seen: list[tuple[int, set[str]]] = []

    def look(self) -> None:
        there = {name for etag, name in self._names.items() if (self._blobs / etag).exists()}
        self._seen.append((len(self._hub.seen), there))

    def check(self) -> None:
        assert self._seen
        for count, there in self._seen:
            later = {each.path.rpartition("/")[2] for each in self._hub.seen[count:]}
            assert later.isdisjoint(there), later & there


def test_a_server_that_is_stopped_goes_on_with_the_next(
    tmp_path: Path, hub: HubServer, noise: Path
) -> None:
    settings = settings_of(tmp_path, hub, download_limit_bytes=4 * MB)
    with running_server(tmp_path, settings=settings) as server, server.client() as client:
        pull = install(client, "org/noise")
        pull.until("downloading", bytes_done=2 * MB)
    with (
        running_server(tmp_path, settings=settings_of(tmp_path, hub)) as server,
        server.client() as client,
    ):
        pull.client = client
        pull.until("done")
    pull.check_progress()
    check_whole(tmp_path / "hub", "org/noise", noise)


def test_a_download_without_a_hub_waits_for_it_and_goes_on_by_itself(
    tmp_path: Path, hub: HubServer, noise: Path
) -> None:
    settings = settings_of(tmp_path, hub, download_limit_bytes=4 * MB)
    with running_server(tmp_path, settings=settings) as server, server.client() as client:
        pull = install(client, "org/noise")
        pull.until("downloading", bytes_done=2 * MB)
    hub.fault("*", Fault("status", where="api", times=None))
    with (
        running_server(tmp_path, settings=settings_of(tmp_path, hub)) as server,
        server.client() as client,
    ):
        pull.client = client
        wait_until(lambda: pull.look()["retry_at"] is not None, what="the next try to be known")
        waits = pull.look()
        assert waits["state"] in ("queued", "checking")
        hub.heal()
        pull.until("done")
        assert pull.seen[-1]["retry_at"] is None
    pull.check_progress()
    check_whole(tmp_path / "hub", "org/noise", noise)


def test_a_disk_without_room_pauses_with_the_reason(
    tmp_path: Path, hub: HubServer, noise: Path
) -> None:
    with visited_server(tmp_path, settings=settings_of(tmp_path, hub)) as visitor:
        body = {"settings": {"disk_reserve_bytes": 2**50}}
        visitor.client.patch("/v1/settings", json=body).raise_for_status()
        pull = install(visitor.client, "org/noise")
        paused = pull.until("paused")
        assert paused["error"]["code"] == "disk_full"
        assert "12.6 MB are needed" in paused["error"]["message"]
        assert not any("snapshots" in name for name in left_behind(tmp_path / "hub"))
        body = {"settings": {"disk_reserve_bytes": 1}}
        visitor.client.patch("/v1/settings", json=body).raise_for_status()
        pull.do("resume")
        pull.until("done")


def test_a_disk_that_is_away_is_not_written_elsewhere(
    tmp_path: Path, hub: HubServer, noise: Path
) -> None:
    away = tmp_path / "volume" / "hub"
    with visited_server(tmp_path, settings=settings_of(tmp_path, hub, model_dirs=away)) as visitor:
        failed = install(visitor.client, "org/noise").until("failed")
        assert failed["error"]["code"] == "conflict"
        assert str(away) in failed["error"]["message"]
        assert not away.parent.exists()


def test_a_disk_that_fills_up_meanwhile_pauses_with_the_reason(
    tmp_path: Path, hub: HubServer, noise: Path
) -> None:
    cache = tmp_path / "hub"
    cache.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=16m", "none", str(cache)]
    if subprocess.run(mount, capture_output=True).returncode:
        pytest.skip("no disk can be mounted here")
    try:
        settings = settings_of(tmp_path, hub, disk_reserve_bytes=1, download_limit_bytes=4 * MB)
        with visited_server(tmp_path, settings=settings) as visitor:
            pull = install(visitor.client, "org/noise")
            pull.until("downloading", bytes_done=1 * MB)
            fill(cache / "other")
            paused = pull.until("paused")
            assert paused["error"]["code"] == "disk_full"
            assert not any("snapshots" in name for name in left_behind(cache))
            (cache / "other").unlink()
            pull.do("resume")
            pull.until("done")
            pull.check_progress()
        check_whole(cache, "org/noise", noise)
    finally:
        subprocess.run(["umount", "-l", str(cache)], check=True)


def fill(file: Path) -> None:
    """Take all that is free on its disk."""
    with file.open("wb", buffering=0) as other, suppress(OSError):
        while other.write(bytes(MB // 16)):
            pass
