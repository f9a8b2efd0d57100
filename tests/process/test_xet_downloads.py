"""Models out of a hub's Xet store: whole, and none the worse for what comes in the way."""

import random
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.hub.faults import Fault
from tests.hub.server import HubServer
from tests.process.pulling import (
    DEADLINE_S,
    MB,
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
from tests.zoo.cache import checkpoint

MODEL = "tiny/Qwen3-tiny-trained"
NOISE = "org/noise"


@pytest.fixture(autouse=True)
def temporary(monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Where the processes put what is for a while; its path must be short, for a socket."""
    with tempfile.TemporaryDirectory(prefix="xet") as made:
        monkeypatch.setenv("TMPDIR", made)
        yield Path(made)


@pytest.fixture
def noise(tmp_path: Path, hub: HubServer) -> Path:
    """The folder of a repo of two files of 6 MB."""
    folder = repo_folder(tmp_path / "noise", shards=2, shard_bytes=6 * MB)
    hub.add(NOISE, folder, xet=True)
    return folder


@pytest.fixture
def slow(tmp_path: Path, hub: HubServer) -> Iterator[Visitor]:
    """A server that downloads slowly, and all that it can by Xet."""
    settings = settings_of(tmp_path, hub, download_limit_bytes=2 * MB, download_stall_s=5, xet="on")
    with visited_server(tmp_path, settings=settings) as visitor:
        yield visitor


def by_xet(hub: HubServer) -> bool:
    return bool(hub.asked(containing="/v1/reconstructions/"))


def by_plain_http(hub: HubServer) -> bool:
    """Large files did; small ones always do."""
    return bool(hub.asked(containing="/blobs/"))


def test_a_model_that_came_by_xet_answers(tmp_path: Path, hub: HubServer) -> None:
    source = checkpoint("Qwen3-tiny-trained")
    hub.add(MODEL, source, xet=True)
    settings = settings_of(tmp_path, hub, max_context_tokens=256, xet="on")
    with (
        running_server(tmp_path, engine="mlx", settings=settings) as server,
        server.client() as client,
    ):
        pull = install(client, MODEL)
        pull.until("done")
        pull.check_progress()
        check_whole(tmp_path / "hub", MODEL, source)
        said = [{"role": "user", "content": "Hello"}]
        asked = {"model": MODEL, "messages": said, "max_tokens": 4}
        answer = client.post("/v1/chat/completions", json=asked, timeout=DEADLINE_S)
        assert answer.status_code == 200, answer.text
    assert answer.json()["usage"]["completion_tokens"] > 0
    assert by_xet(hub)
    assert not by_plain_http(hub)


@pytest.mark.parametrize("use", ["auto", "off"])
def test_what_plain_http_gives_comes_by_xet_only_where_that_is_wished(
    tmp_path: Path, hub: HubServer, noise: Path, use: str
) -> None:
    settings = settings_of(tmp_path, hub, xet=use)
    with running_server(tmp_path, settings=settings) as server, server.client() as client:
        install(client, NOISE).until("done")
    check_whole(tmp_path / "hub", NOISE, noise)
    assert by_plain_http(hub)
    assert not by_xet(hub)


@pytest.mark.parametrize("most", [2, pytest.param(5, marks=pytest.mark.soak)])
def test_kills_at_any_moment_cost_nothing_that_was_kept(
    slow: Visitor, tmp_path: Path, hub: HubServer, noise: Path, temporary: Path, most: int
) -> None:
    chance = random.Random(5)
    pull = install(slow.client, NOISE)
    kills = 0
    while kills < most and pull.look()["state"] != "done":
        ends_s = time.monotonic() + chance.uniform(0.2, 1.2)
        while time.monotonic() < ends_s and pull.look()["state"] != "done":
            time.sleep(0.1)
        for child in fetchers(slow.server):
            child.kill()
            kills += 1
    pull.until("done")
    pull.check_progress()
    check_whole(tmp_path / "hub", NOISE, noise)
    assert kills
    assert not by_plain_http(hub)
    # What the killed ones left has gone with the last one.
    wait_until(
        lambda: not list(temporary.glob("*mlx-gui-xet*")), what="nothing left", deadline_s=30
    )


def test_it_rests_and_goes_on_and_is_cancelled_without_a_trace(
    slow: Visitor, tmp_path: Path, noise: Path, temporary: Path
) -> None:
    pull = install(slow.client, NOISE)
    kept = pull.until("downloading", bytes_done=2 * MB)["bytes_done"]
    pull.do("pause")
    assert pull.until("paused")["bytes_done"] >= kept
    pull.do("resume")
    pull.until("downloading", bytes_done=kept)
    slow.client.delete(f"/v1/downloads/{pull.id}").raise_for_status()
    wait_until(lambda: not fetchers(slow.server), what="no child", deadline_s=30)
    assert left_behind(tmp_path / "hub") == []
    assert not list(temporary.glob("*mlx-gui-xet*"))


@pytest.mark.soak
def test_a_flipped_byte_is_found_and_that_file_fetched_again(
    slow: Visitor, tmp_path: Path, hub: HubServer, noise: Path
) -> None:
    hub.fault(NOISE, Fault("flip", where="xorb", at_bytes=5000))
    hub.fault(NOISE, Fault("cut", where="xorb", after_bytes=100_000, times=2))
    hub.fault(NOISE, Fault("expire", where="plan", uses=3, times=None))
    pull = install(slow.client, NOISE)
    pull.until("done")
    pull.check_progress()
    check_whole(tmp_path / "hub", NOISE, noise)


@pytest.mark.soak
def test_a_store_that_is_away_is_waited_for_with_its_reason(
    tmp_path: Path, hub: HubServer, noise: Path
) -> None:
    away = hub.fault(NOISE, Fault("status", where="plan", times=None))
    settings = settings_of(tmp_path, hub, download_stall_s=1, xet="on")
    with running_server(tmp_path, settings=settings) as server, server.client() as client:
        pull = install(client, NOISE)
        wait_until(lambda: pull.look().get("retry_at") is not None, what="a rest", deadline_s=60)
        assert "answered 503" in pull.look()["error"]["message"]
        away.times = 0
        pull.do("resume")
        pull.until("done")
        pull.check_progress()
    check_whole(tmp_path / "hub", NOISE, noise)


def test_a_store_in_another_network_is_refused(tmp_path: Path, hub: HubServer, noise: Path) -> None:
    hub.xet_access = {"casUrl": "http://169.254.169.254"}
    settings = settings_of(tmp_path, hub, xet="on")
    with running_server(tmp_path, settings=settings) as server, server.client() as client:
        pull = install(client, NOISE)
        failed = pull.until("failed")
    assert failed["error"]["code"] == "hub_answer"
    assert "169.254.169.254" in failed["error"]["message"]
