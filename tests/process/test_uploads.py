"""Files of requests in a real server: they are gone whatever ends the request, or the server."""

import hashlib
import os
import resource
import signal
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx
import psutil
import pytest

from tests.process.visitor import Visitor, script, visited_server
from tests.support.waiting import wait_until

MODEL = "fake/transcription"
LARGE = bytes(range(256)) * 40_000
HEARD = f"{len(LARGE)} bytes with the digest {hashlib.sha256(LARGE).hexdigest()[:12]}"
ENDLESS = script(delay_ms=20_000)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Visitor]:
    with visited_server(tmp_path_factory.mktemp("server")) as visitor:
        yield visitor


def left(visitor: Visitor) -> list[Path]:
    return [*(visitor.server.data_dir / "cache" / "uploads").rglob("*")]


def at_work(visitor: Visitor) -> bool:
    rows = visitor.status()["loaded_models"]
    return any(row["id"] == MODEL and row["active"] for row in rows)


def nothing_left(visitor: Visitor) -> None:
    wait_until(lambda: not left(visitor), what="the uploads to be gone")


def send(visitor: Visitor, prompt: str = "", *, read_s: float = 60, **more: Any) -> httpx.Response:
    return httpx.post(
        f"{visitor.server.address}/v1/audio/transcriptions",
        data={"model": MODEL, "prompt": prompt, **more},
        files={"file": ("a.wav", LARGE)},
        timeout=httpx.Timeout(60, read=read_s),
        trust_env=False,
    )


def test_it_is_answered_and_private_meanwhile(server: Visitor) -> None:
    with ThreadPoolExecutor(1) as beside:
        answer = beside.submit(send, server, script(delay_ms=200))
        wait_until(lambda: len(left(server)) == 2, what="the file")
        modes = [path.stat().st_mode & 0o777 for path in sorted(left(server))]
        assert modes == [0o700, 0o600]
        assert answer.result().json()["text"] == HEARD
    nothing_left(server)


@pytest.mark.parametrize("stream", [False, True])
def test_its_client_hangs_up(server: Visitor, stream: bool) -> None:
    with pytest.raises(httpx.ReadTimeout):
        send(server, script(delay_ms=1000), read_s=0.5, stream=stream)
    nothing_left(server)
    assert send(server).json()["text"] == HEARD


def test_it_waits_for_too_long(tmp_path: Path) -> None:
    settings = {"slots": 1, "queue_timeout_s": 1}
    with visited_server(tmp_path, settings=settings) as visitor:
        visitor.client.post(f"/v1/models/{MODEL}/load").raise_for_status()
        with ThreadPoolExecutor(1) as beside:
            first = beside.submit(send, visitor, script(delay_ms=1500))
            wait_until(lambda: at_work(visitor), what="the first one")
            late = send(visitor)
            assert (late.status_code, late.json()["error"]["code"]) == (504, "queue_timeout")
            assert first.result().json()["text"] == HEARD
        nothing_left(visitor)


def test_its_worker_dies_before_it_began_and_the_next_one_answers(server: Visitor) -> None:
    with ThreadPoolExecutor(1) as beside:
        answer = beside.submit(send, server, script(prepare_ms=1500))
        wait_until(lambda: at_work(server), what="the request")
        server.worker(MODEL).kill()
        assert answer.result().json()["text"] == HEARD
    nothing_left(server)


def test_its_worker_dies_in_the_middle(server: Visitor) -> None:
    answer = send(server, script(crash_after=2))

    assert (answer.status_code, answer.json()["error"]["code"]) == (500, "worker_failed")
    nothing_left(server)


def test_its_model_is_unloaded_by_force(server: Visitor) -> None:
    assert send(server).status_code == 200
    with ThreadPoolExecutor(1) as beside:
        answer = beside.submit(send, server, ENDLESS)
        wait_until(lambda: at_work(server), what="the request")
        path = f"/v1/models/{MODEL}/unload"
        server.client.post(path, params={"force": True}).raise_for_status()
        assert answer.result().status_code == 500
    nothing_left(server)


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux limits another process")
def test_there_is_no_room_for_it(server: Visitor) -> None:
    process = psutil.Process(server.server.process.pid)
    usual = process.rlimit(resource.RLIMIT_FSIZE)
    process.rlimit(resource.RLIMIT_FSIZE, (1_000_000, usual[1]))
    try:
        full = send(server)
    finally:
        process.rlimit(resource.RLIMIT_FSIZE, usual)

    assert (full.status_code, full.json()["error"]["code"]) == (503, "store_unavailable")
    assert "File too large" in full.json()["error"]["message"]
    nothing_left(server)
    assert send(server).json()["text"] == HEARD


def test_it_is_larger_than_the_server_takes(tmp_path: Path) -> None:
    with visited_server(tmp_path, settings={"max_upload_bytes": 5_000_000}) as visitor:
        large = send(visitor)
        assert (large.status_code, large.json()["error"]["code"]) == (413, "payload_too_large")
        assert "max_upload_bytes" in large.json()["error"]["hint"]
        nothing_left(visitor)
        assert visitor.client.get("/v1/models/fake/transcription").json()["state"] == "not_loaded"


def test_the_server_stops(tmp_path: Path) -> None:
    with visited_server(tmp_path, settings={"shutdown_grace_s": 0.2}) as visitor:
        with ThreadPoolExecutor(1) as beside:
            answer = beside.submit(send, visitor, ENDLESS)
            wait_until(lambda: len(left(visitor)) == 2, what="the file")
            assert visitor.server.stop() == 0
            with pytest.raises(httpx.HTTPError):
                answer.result().raise_for_status()
        assert left(visitor) == []


def test_the_server_is_killed_and_the_next_one_clears_up(tmp_path: Path) -> None:
    with visited_server(tmp_path) as visitor:
        with ThreadPoolExecutor(1) as beside:
            answer = beside.submit(send, visitor, ENDLESS)
            wait_until(lambda: len(left(visitor)) == 2, what="the file")
            os.kill(visitor.server.process.pid, signal.SIGKILL)
            visitor.server.process.wait()
            with pytest.raises(httpx.HTTPError):
                answer.result()
        assert len(left(visitor)) == 2
    with visited_server(tmp_path) as visitor:
        assert left(visitor) == []
        assert send(visitor).json()["text"] == HEARD
