"""Many clients at once, half of them rude: nothing may be left behind. In full by `make soak`."""

import asyncio
import random
from pathlib import Path

import httpx
import psutil
import pytest

from tests.process.visitor import Visitor, chat, script, visited_server
from tests.support.waiting import wait_until

AT_ONCE = 32
GROWTH_BYTES = 30_000_000


@pytest.mark.parametrize("requests", [150, pytest.param(5000, marks=pytest.mark.soak)])
def test_a_storm_of_hang_ups_and_kills_leaves_no_lease_socket_or_memory(
    tmp_path: Path, requests: int
) -> None:
    with visited_server(tmp_path, settings={"slots": 8}) as visitor:
        server = psutil.Process(visitor.server.process.pid)
        asyncio.run(_storm(visitor, 50, seed=1))
        _wait_until_idle(visitor)
        before = server.num_fds(), server.memory_info().rss
        endings = asyncio.run(_storm(visitor, requests, seed=2))
        _wait_until_idle(visitor)
        assert set(endings) <= {"answered", "hung up", "told"}, endings
        assert endings.count("answered") > requests // 5
        visitor.client.post("/v1/models/fake/echo/load").raise_for_status()
        assert visitor.ask("fake/echo", "after the storm").status_code == 200
        wait_until(lambda: server.num_fds() <= before[0] + 2, what="sockets and pipes to close")
        assert server.memory_info().rss - before[1] < GROWTH_BYTES
        assert len(visitor.workers()) <= 2


async def _storm(visitor: Visitor, count: int, *, seed: int) -> list[str]:
    """How each of `count` requests ended; some of them first kill a worker."""
    dice = random.Random(seed)
    turn = asyncio.Semaphore(AT_ONCE)
    limits = httpx.Limits(max_connections=AT_ONCE * 2)

    async def visit(client: httpx.AsyncClient, temper: float, patience_s: float) -> str:
        async with turn:
            if temper < 0.02:
                await _kill_a_worker(client)
            model = "fake/echo" if temper < 0.8 else "fake/slow-load"
            text = script(text="word", repeat=50, delay_ms=1)
            body = chat(model, text, stream=temper < 0.6)
            try:
                async with asyncio.timeout(patience_s if temper < 0.5 else 120):
                    answer = await client.post("/v1/chat/completions", json=body)
            except TimeoutError:
                return "hung up"
            failed = any(code in answer.text for code in ("worker_failed", "load_failed"))
            if answer.status_code == 200 and not failed:
                return "answered"
            return "told" if failed else answer.text

    async with httpx.AsyncClient(
        base_url=visitor.server.address, limits=limits, timeout=120, trust_env=False
    ) as client:
        visits = [visit(client, dice.random(), dice.uniform(0, 0.3)) for _ in range(count)]
        return list(await asyncio.gather(*visits))


async def _kill_a_worker(client: httpx.AsyncClient) -> None:
    status = (await client.get("/v1/manager/status")).json()
    for row in status["loaded_models"]:
        if row["state"] in ("ready", "busy"):
            try:
                psutil.Process(row["pid"]).kill()
            except psutil.NoSuchProcess:
                return
            return


def _wait_until_idle(visitor: Visitor) -> None:
    def idle() -> bool:
        status = visitor.status()
        return status["active_requests"] == status["queued_requests"] == 0

    wait_until(idle, what="every lease and every place in a queue to be given back")
