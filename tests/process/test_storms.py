"""Many clients at once, half of them rude: nothing may be left behind. In full by `make soak`."""

import asyncio
import random
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import httpx
import psutil
import pytest

from tests.process.visitor import Visitor, chat, script, visited_server
from tests.support.waiting import wait_until
from tests.zoo.cache import checkpoint

AT_ONCE = 32
SLOTS = 8
LONGEST_PATIENCE_S = 0.5
GROWTH_BYTES = 30_000_000


@pytest.mark.parametrize("requests", [150, pytest.param(5000, marks=pytest.mark.soak)])
def test_a_storm_of_hang_ups_and_kills_leaves_no_lease_socket_or_memory(
    tmp_path: Path, requests: int
) -> None:
    with visited_server(tmp_path, settings={"slots": SLOTS}) as visitor:
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


@pytest.mark.parametrize("engine", ["fake", "mlx"])
@pytest.mark.parametrize("requests", [100, pytest.param(500, marks=pytest.mark.soak)])
def test_a_storm_of_cancels_gives_back_every_slot_place_and_byte(
    tmp_path: Path, engine: str, requests: int
) -> None:
    body = _long_answer(tmp_path, engine)
    model = body["model"]
    settings = {"slots": SLOTS, "max_context_tokens": 512, "model_dirs": tmp_path / "models"}
    with visited_server(tmp_path, engine=engine, settings=settings) as visitor:
        asyncio.run(_cancel_storm(visitor, body, 50, seed=1))
        _wait_until_idle(visitor)
        before, before_bytes = visitor.row(model), _held_bytes(visitor, model)
        endings = asyncio.run(_cancel_storm(visitor, body, requests, seed=2))
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


def _long_answer(folder: Path, engine: str) -> dict[str, Any]:
    """A request whose answer takes a while; the tiny model that gives it lies in `folder`."""
    if engine == "fake":
        return chat("fake/echo", script(text="word", repeat=60, delay_ms=1))
    name = "Qwen3-tiny"
    model = folder / "models" / "tiny" / name
    model.parent.mkdir(parents=True)
    model.symlink_to(checkpoint(name))
    return chat(f"tiny/{name}", "Write a long story.", max_tokens=60, temperature=1)


async def _cancel_storm(
    visitor: Visitor, body: dict[str, Any], count: int, *, seed: int
) -> list[str]:
    """How each of `count` requests ended; half of them hang up at a random moment."""
    dice = random.Random(seed)
    turn = asyncio.Semaphore(AT_ONCE)

    async def visit(client: httpx.AsyncClient, *, stream: bool, patience_s: float | None) -> str:
        async with turn:
            try:
                async with asyncio.timeout(patience_s):
                    answer = await client.post(
                        "/v1/chat/completions", json={**body, "stream": stream}
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
    """As many as there are slots are answered together: none was lost."""
    with ExitStack() as stack:
        text = body["messages"][0]["content"]
        more = {name: value for name, value in body.items() if name not in ("model", "messages")}
        streams = [
            stack.enter_context(visitor.stream(body["model"], text, **more)) for _ in range(SLOTS)
        ]
        for stream in streams:
            stream.text()


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
