"""Real server, real workers: what crashes, hangs, hang-ups and signals do, and do not do."""

import json
import resource
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx
import psutil
import pytest

from mlx_gui.ipc.spawn import child_argv
from tests.process.visitor import ENDLESS, Visitor, chat, script, visited_server
from tests.support.server import PROGRAM
from tests.support.soak import in_soak
from tests.support.waiting import wait_until

SERVER_SETTINGS = {"slots": 2, "max_context_tokens": 1_000_000, "health_timeout_s": 1}


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Visitor]:
    with visited_server(tmp_path_factory.mktemp("server"), settings=SERVER_SETTINGS) as visitor:
        yield visitor


@pytest.fixture
def server(shared: Visitor) -> Iterator[Visitor]:
    """One server for all tests that leave it in order, which is checked after each."""
    yield shared

    def idle() -> bool:
        status = shared.status()
        return status["active_requests"] == status["queued_requests"] == 0

    wait_until(idle, what="all leases and places in queues to be given back")


def test_two_streams_on_one_model_take_turns_and_a_cancelled_one_leaves_the_other(
    server: Visitor,
) -> None:
    with server.stream("fake/echo", ENDLESS) as first, server.stream("fake/echo", ENDLESS) as two:
        pieces = [stream.text() for _ in range(5) for stream in (first, two)]
        assert all("word" in piece for piece in pieces)
        first.hang_up()
        wait_until(lambda: server.row("fake/echo")["active"] == 1, what="one lease to end")
        assert "word" in two.text()


def test_a_third_request_waits_in_the_control_planes_queue_where_it_can_be_seen(
    server: Visitor,
) -> None:
    with server.stream("fake/echo", ENDLESS) as first, server.stream("fake/echo", ENDLESS) as two:
        first.text()
        two.text()
        answers: list[httpx.Response] = []
        third = threading.Thread(target=lambda: answers.append(server.ask("fake/echo", "third")))
        third.start()
        wait_until(lambda: server.status()["queue"], what="a request in the queue")
        (queued,) = server.status()["queue"]
        assert (queued["model"], queued["position"]) == ("fake/echo", 1)
        assert server.row("fake/echo")["active"] == 2
        first.hang_up()
        third.join(60)
        assert answers[0].json()["choices"][0]["message"]["content"] == "You said: third"


def test_killing_a_worker_ends_its_streams_with_an_error_and_nothing_else(server: Visitor) -> None:
    assert server.ask("fake/slow", "x", max_tokens=1).status_code == 200
    with server.stream("fake/echo", ENDLESS) as dying:
        dying.text()
        bystander = server.row("fake/slow")["pid"]
        server.worker("fake/echo").kill()
        error = dying.rest()[-1]["error"]
        assert error["code"] == "worker_failed"
        assert "fake/echo" in error["message"]
        assert error["hint"]
    assert server.row("fake/slow")["pid"] == bystander
    assert server.ask("fake/slow", "x", max_tokens=1).status_code == 200
    again = server.ask("fake/echo", "hello")
    assert again.json()["choices"][0]["message"]["content"] == "You said: hello"


def test_a_request_of_which_nothing_came_is_answered_though_its_worker_was_killed(
    server: Visitor,
) -> None:
    assert server.ask("fake/echo", "hello").status_code == 200
    worker = server.worker("fake/echo")
    worker.suspend()
    answers: list[httpx.Response] = []
    asking = threading.Thread(target=lambda: answers.append(server.ask("fake/echo", "and then?")))
    asking.start()
    wait_until(lambda: server.row("fake/echo")["active"] == 1, what="its lease")
    worker.kill()
    asking.join(60)
    assert answers[0].json()["choices"][0]["message"]["content"] == "You said: and then?"
    assert server.row("fake/echo")["pid"] != worker.pid


def test_a_worker_that_crashes_by_itself_is_told_apart_from_a_bad_request(server: Visitor) -> None:
    answer = server.ask("fake/crash", "hello")
    assert answer.status_code == 500
    assert answer.json()["error"]["code"] == "worker_failed"
    assert answer.headers["x-request-id"]
    assert server.ask("fake/echo", "hello").status_code == 200


def test_a_stopped_worker_is_reported_unhealthy_within_its_bound_and_recovers(
    server: Visitor,
) -> None:
    server.ask("fake/echo", "hello")
    worker = server.worker("fake/echo")
    path = "/v1/models/fake/echo/health"
    assert server.client.get(path).json()["healthy"] is True
    worker.suspend()
    try:
        health = server.client.get(path).json()
        assert health["healthy"] is False
        assert "1 s" in health["reason"]
        assert server.ask("fake/slow", "x", max_tokens=1).status_code == 200
    finally:
        worker.resume()
    assert server.client.get(path).json()["healthy"] is True


def test_a_client_that_reads_nothing_holds_up_nobody_and_costs_no_memory(server: Visitor) -> None:
    server.ask("fake/echo", "warm")
    before_bytes = psutil.Process(server.server.process.pid).memory_info().rss
    place = urlsplit(server.server.address)
    assert place.hostname
    assert place.port
    text = script(text="x" * 1000, repeat=60_000)
    body = json.dumps(chat("fake/echo", text, stream=True)).encode()
    with socket.create_connection((place.hostname, place.port)) as deaf:
        deaf.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        head = (
            f"POST /v1/chat/completions HTTP/1.1\r\nhost: {place.netloc}\r\n"
            f"content-type: application/json\r\ncontent-length: {len(body)}\r\n\r\n"
        )
        deaf.sendall(head.encode() + body)
        wait_until(lambda: server.row("fake/echo")["active"] == 1, what="the deaf client's request")
        for _ in range(20):
            assert server.ask("fake/echo", "hello").status_code == 200
        grown_bytes = psutil.Process(server.server.process.pid).memory_info().rss - before_bytes
        assert grown_bytes < 100_000_000


def test_more_clients_are_answered_than_a_terminal_of_macos_allows_files(tmp_path: Path) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    with ExitStack() as stack:
        resource.setrlimit(resource.RLIMIT_NOFILE, (256, hard))
        try:
            visitor = stack.enter_context(visited_server(tmp_path, program=PROGRAM))
        finally:
            resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
        target = urlsplit(visitor.server.address)
        for _ in range(300):
            stack.enter_context(socket.create_connection((target.hostname, target.port), 60))
        assert visitor.ask("fake/second", "Hello").status_code == 200


def test_a_client_that_stops_in_the_middle_of_its_request_is_cut_off(tmp_path: Path) -> None:
    body = json.dumps(chat("fake/second", "Hello")).encode()
    head = b"POST /v1/chat/completions HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n"
    head += b"content-type: application/json\r\ncontent-length: %d\r\n\r\n" % len(body)
    with visited_server(tmp_path, settings={"client_stall_s": 1}) as visitor, ExitStack() as stack:
        target = urlsplit(visitor.server.address)

        def begun(request: bytes) -> socket.socket:
            address = (target.hostname, target.port)
            connection = stack.enter_context(socket.create_connection(address, 60))
            connection.sendall(request)
            return connection

        halves = [begun(request) for request in (b"", head[:50], head, head + body[:10])]
        slow = begun(head)
        for number in range(0, len(body), 20):
            slow.sendall(body[number : number + 20])
            time.sleep(0.4)
        assert slow.recv(1000).startswith(b"HTTP/1.1 200 OK")
        for connection in halves:
            with suppress(ConnectionResetError):
                assert connection.recv(1000) == b""
        assert visitor.ask("fake/second", "Hello").status_code == 200


def test_a_client_that_hangs_up_while_it_waits_gives_its_place_back(server: Visitor) -> None:
    with server.stream("fake/echo", ENDLESS) as first, server.stream("fake/echo", ENDLESS) as two:
        first.text()
        two.text()
        with pytest.raises(httpx.ReadTimeout):
            httpx.post(
                f"{server.server.address}/v1/chat/completions",
                json=chat("fake/echo", "impatient"),
                timeout=0.5,
            )
        wait_until(lambda: not server.status()["queue"], what="the place to be given back")


def test_a_load_is_joined_and_its_progress_is_seen(server: Visitor) -> None:
    results: list[httpx.Response] = []

    def load() -> None:
        results.append(server.client.post("/v1/models/fake/slow-load/load"))

    loads = [threading.Thread(target=load) for _ in range(3)]
    for thread in loads:
        thread.start()
    seen: set[str] = set()

    def progressed() -> bool:
        row = server.client.get("/v1/models/fake/slow-load").json()
        seen.add(row["state"])
        return row["state"] == "ready"

    wait_until(progressed, what="the load")
    for thread in loads:
        thread.join(60)
    assert "loading" in seen
    assert [result.status_code for result in results] == [200] * 3
    assert server.row("fake/slow-load")["loads"] == 1
    assert server.client.post("/v1/models/fake/slow-load/unload").json()["was_loaded"] is True


def test_no_worker_survives_its_server_and_a_restart_finds_its_state(tmp_path: Path) -> None:
    with (
        visited_server(tmp_path, settings=SERVER_SETTINGS, program=PROGRAM) as visitor,
        visitor.stream("fake/slow", ENDLESS) as stream,
    ):
        stream.text()
        workers = visitor.workers()
        assert workers
        visitor.server.process.kill()
        visitor.server.process.wait()
        wait_until(
            lambda: not any(worker.is_running() for worker in workers), what="the workers to end"
        )
    with visited_server(tmp_path) as again:
        assert again.ask("fake/echo", "hello").status_code == 200


@pytest.mark.parametrize("number", [signal.SIGTERM, *in_soak(signal.SIGINT)])
def test_a_signal_lets_running_answers_finish_then_exits_zero(
    tmp_path: Path, number: signal.Signals
) -> None:
    with (
        visited_server(tmp_path, program=PROGRAM) as visitor,
        visitor.stream("fake/echo", script(text="tick", repeat=40, delay_ms=50)) as stream,
    ):
        stream.text()
        workers = visitor.workers()
        visitor.server.process.send_signal(number)
        wait_until(
            lambda: visitor.ask("fake/echo", "new").status_code == 503,
            what="new requests to be refused",
        )
        assert stream.rest()[-1]["choices"][0]["finish_reason"] == "stop"
        assert visitor.server.process.wait(60) == 0
        assert not any(worker.is_running() for worker in workers)
        assert not (visitor.server.data_dir / "runtime.json").exists()


def test_a_second_server_on_one_data_directory_is_refused_with_the_firsts_address(
    tmp_path: Path,
) -> None:
    with visited_server(tmp_path) as visitor:
        data_dir = str(visitor.server.data_dir)
        second = subprocess.run(
            [sys.executable, "-m", "mlx_gui", "start", "--port", "0", "--data-dir", data_dir],
            capture_output=True,
            text=True,
            timeout=60,
        )
        assert second.returncode == 1
        assert visitor.server.address in second.stderr
        assert visitor.ask("fake/echo", "hello").status_code == 200


def test_a_worker_runs_nothing_that_lies_in_the_current_folder(tmp_path: Path) -> None:
    folder = tmp_path / "current"
    folder.mkdir()
    (folder / "msgspec.py").write_text("raise SystemExit('imported from the current folder')")
    argv = child_argv("worker", 99)
    ran = subprocess.run(argv, cwd=folder, capture_output=True, text=True, timeout=60)
    assert "current folder" not in ran.stderr


def worker_output(server: Visitor) -> list[dict[str, Any]]:
    lines = server.server.log.read_text(errors="replace").splitlines()
    found = [json.loads(line) for line in lines if line.startswith("{")]
    return [line for line in found if line["event"] == "worker_output"]


def test_what_a_worker_prints_is_in_the_log_while_it_lives(server: Visitor) -> None:
    failed = server.ask("fake/echo", script(text="x", fault=True))
    assert failed.status_code == 500
    assert "log has the details" in failed.json()["error"]["hint"]
    request_id = failed.headers["x-request-id"]

    def told() -> list[str]:
        mine = [line for line in worker_output(server) if line.get("request_id") == request_id]
        assert all(line["model"] == "fake/echo" for line in mine)
        return [text for line in mine for text in line["output"]]

    fault = "RuntimeError: the script says that this is a fault"
    wait_until(lambda: fault in told(), what="the fault in the log")
    assert told()[0].startswith("Traceback")


def test_a_worker_that_prints_without_end_does_not_fill_the_log(server: Visitor) -> None:
    assert server.ask("fake/slow", script(text="x", prints=20_000)).status_code == 200

    def lines() -> list[str]:
        return [text for line in worker_output(server) for text in line["output"]]

    wait_until(lambda: "line 0" in lines(), what="the first lines in the log")
    assert len(lines()) < 2_000
