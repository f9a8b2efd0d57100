"""Many clients at once, half of them rude: nothing may be left behind. In full by `make soak`."""

import asyncio
import json
import random
import statistics
import threading
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing
from pathlib import Path
from typing import Any

import httpx
import psutil
import pytest

from tests.process.storm import STALL_S, storm, unread
from tests.process.visitor import ENDLESS, Visitor, chat, script, visited_server
from tests.support.server import PROGRAM
from tests.support.soak import in_soak
from tests.support.waiting import wait_until
from tests.zoo.cache import checkpoint

AT_ONCE = 32
SLOTS = 8
LONGEST_PATIENCE_S = 0.5
GROWTH_BYTES = 30_000_000
SERVER_GROWTH_BYTES = 10_000_000
GROWTH_BYTES_A_REQUEST = 500
LARGE_BYTES = 128 << 10
LEAST_ROUNDS = 10
"""With fewer a slope says nothing."""


@pytest.mark.parametrize(
    ("rounds", "requests"), [(2, 60), pytest.param(20, 500, marks=pytest.mark.soak)]
)
def test_a_storm_of_hang_ups_slow_readers_and_kills_leaves_nothing_behind(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, rounds: int, requests: int
) -> None:
    # The C library otherwise begins to keep what is freed: up to 20 MB, more or less by luck.
    monkeypatch.setenv("MALLOC_MMAP_THRESHOLD_", str(LARGE_BYTES))
    settings = {"slots": SLOTS, "client_stall_s": STALL_S}
    with visited_server(tmp_path, settings=settings, program=PROGRAM) as visitor:
        server = psutil.Process(visitor.server.process.pid)
        asyncio.run(storm(visitor.server.address, 60, seed=0))
        _wait_until_all_left(visitor)
        files, held = server.num_fds(), [server.memory_info().rss]
        endings = Counter[str]()
        for seed in range(1, rounds + 1):
            endings.update(asyncio.run(storm(visitor.server.address, requests, seed=seed)))
            _wait_until_all_left(visitor)
            wait_until(lambda: server.num_fds() <= files, what="sockets and pipes to be closed")
            held.append(server.memory_info().rss)
        print(f"{dict(endings)}, {files} files, MB: {[round(each / 1e6, 1) for each in held]}")
        assert set(endings) <= {"answered", "hung up", "told", "cut off"}
        assert endings["answered"] > rounds * requests // 5
        assert min(endings["hung up"], endings["cut off"]) > 0
        assert held[-1] - held[0] < SERVER_GROWTH_BYTES
        if rounds > LEAST_ROUNDS:
            assert endings["told"] > 0
            assert _slope(held[rounds // 2 :]) / requests < GROWTH_BYTES_A_REQUEST
        _fill_every_slot(visitor, chat("fake/echo", script(text="word", repeat=60, delay_ms=1)))
        _wait_until_all_left(visitor)
        assert visitor.server.stop() == 0
        assert _last_line(visitor)["tasks_left"] == []


def test_clients_that_read_nothing_and_stay_hold_no_socket_of_the_server(tmp_path: Path) -> None:
    settings = {"client_stall_s": 0.5}
    with visited_server(tmp_path, settings=settings) as visitor, ExitStack() as stack:
        assert visitor.ask("fake/echo", "Hello").status_code == 200
        server = psutil.Process(visitor.server.process.pid)
        held = _sockets(server)
        for _ in range(4):
            stack.enter_context(closing(unread(httpx.URL(visitor.server.address))))
        wait_until(lambda: _sockets(server) > held, what="the connections to be accepted")
        wait_until(lambda: _sockets(server) <= held, what="their sockets to be closed")
        _wait_until_idle(visitor)
    levels = [json.loads(line)["level"] for line in visitor.server.log.read_text().splitlines()]
    assert levels.count("warning") == 4
    assert "error" not in levels


def _sockets(server: psutil.Process) -> int:
    """Its ends of connections; files come and go with the workers that it starts meanwhile."""
    return len(server.net_connections(kind="tcp"))


def _wait_until_all_left(visitor: Visitor) -> None:
    _wait_until_idle(visitor)
    answer = visitor.client.post("/v1/models/unload-all", params={"when": "idle"})
    assert answer.raise_for_status().json()["busy"] == []
    wait_until(lambda: not visitor.workers(), what="all workers to end")


def _slope(values: list[int]) -> float:
    """By how much they grow from one to the next, as the line does that fits them best."""
    return statistics.linear_regression(range(len(values)), values).slope


def _last_line(visitor: Visitor) -> dict[str, Any]:
    return json.loads(visitor.server.log.read_text().splitlines()[-1])


@pytest.mark.parametrize("engine", ["fake", *in_soak("mlx")])
@pytest.mark.parametrize("requests", [100, pytest.param(500, marks=pytest.mark.soak)])
def test_a_storm_of_cancels_gives_back_every_slot_place_and_byte(
    tmp_path: Path, engine: str, requests: int
) -> None:
    body, longer = _answers(tmp_path, engine)
    model = body["model"]
    settings = {"slots": SLOTS, "max_context_tokens": 512, "model_dirs": tmp_path / "models"}
    with visited_server(tmp_path, engine=engine, settings=settings) as visitor:
        asyncio.run(_cancel_storm(visitor, body, longer, 50, seed=1))
        _wait_until_idle(visitor)
        before, before_bytes = visitor.row(model), _held_bytes(visitor, model)
        endings = asyncio.run(_cancel_storm(visitor, body, longer, requests, seed=2))
        _wait_until_idle(visitor)
        assert set(endings) == {"answered", "hung up"}, endings
        assert min(endings.count("answered"), endings.count("hung up")) > requests // 5
        after = visitor.row(model)
        assert [after[key] for key in ("pid", "state", "active", "queued")] == [
            *(before["pid"], "ready", 0, 0)
        ]
        assert after["memory"]["kv_bytes"] <= before["memory"]["kv_bytes"]
        assert _held_bytes(visitor, model) - before_bytes < GROWTH_BYTES
        _fill_every_slot(visitor, body)


def _answers(folder: Path, engine: str) -> tuple[dict[str, Any], dict[str, Any]]:
    """Two requests: one to wait for, and one whose answer takes longer than anybody's patience.

    The tiny model that answers them lies in `folder`.
    """
    if engine == "fake":
        return chat("fake/echo", script(text="word", repeat=60, delay_ms=1)), chat(
            "fake/echo", ENDLESS
        )
    name = "Qwen3-tiny"
    model = folder / "models" / "tiny" / name
    model.parent.mkdir(parents=True)
    model.symlink_to(checkpoint(name))
    body = chat(f"tiny/{name}", "Write a long story.", max_tokens=60, temperature=1)
    return body, {**body, "max_tokens": 480, "ignore_eos": True}


async def _cancel_storm(
    visitor: Visitor, body: dict[str, Any], longer: dict[str, Any], count: int, *, seed: int
) -> list[str]:
    """How each of `count` requests ended; half ask for `longer`, and hang up at a random moment."""
    dice = random.Random(seed)
    turn = asyncio.Semaphore(AT_ONCE)

    async def visit(client: httpx.AsyncClient, *, stream: bool, patience_s: float | None) -> str:
        async with turn:
            try:
                async with asyncio.timeout(patience_s):
                    asked = body if patience_s is None else longer
                    answer = await client.post(
                        "/v1/chat/completions", json={**asked, "stream": stream}
                    )
            except TimeoutError:
                return "hung up"
            return "answered" if answer.status_code == 200 else answer.text

    async with httpx.AsyncClient(
        base_url=visitor.server.address, timeout=120, trust_env=False
    ) as client:
        visits = [
            visit(
                client,
                stream=dice.random() < 0.5,
                patience_s=dice.uniform(0, LONGEST_PATIENCE_S) if dice.random() < 0.5 else None,
            )
            for _ in range(count)
        ]
        return list(await asyncio.gather(*visits))


def _held_bytes(visitor: Visitor, model: str) -> int:
    server = psutil.Process(visitor.server.process.pid)
    return server.memory_info().rss + visitor.worker(model).memory_info().rss


def _fill_every_slot(visitor: Visitor, body: dict[str, Any]) -> None:
    """As many as there are slots are answered together: none was lost.

    Whose answer has ended asks again: on a slow machine one may end before the last has begun.
    """
    filled = threading.Event()

    def ask_again() -> None:
        with visitor.server.client() as client:
            while not filled.is_set():
                client.post("/v1/chat/completions", json=body).raise_for_status()

    def filled_at_once() -> bool:
        rows = visitor.status()["loaded_models"]
        return [row["active"] for row in rows if row["id"] == body["model"]] == [SLOTS]

    with ThreadPoolExecutor(SLOTS) as clients:
        asked = [clients.submit(ask_again) for _ in range(SLOTS)]
        try:
            wait_until(filled_at_once, what="every slot to be taken")
        finally:
            filled.set()
        for each in asked:
            each.result()


def _wait_until_idle(visitor: Visitor) -> None:
    def idle() -> bool:
        status = visitor.status()
        return status["active_requests"] == status["queued_requests"] == 0

    wait_until(idle, what="every lease and every place in a queue to be given back")
