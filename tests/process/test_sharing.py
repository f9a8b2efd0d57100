"""Models that share the memory, with real processes: turns, races, and what comes back."""

import asyncio
import random
import shutil
import statistics
from collections import Counter
from pathlib import Path
from typing import Any

import httpx
import psutil
import pytest

from mlx_gui.app import Application
from mlx_gui.config import read_sources
from mlx_gui.control.safe_mode import SafeMode
from mlx_gui.control.settings.server import ServerSettings
from mlx_gui.core.ask import Ask
from mlx_gui.core.errors import MlxGuiError
from mlx_gui.core.generation import Failed, GenerateRequest, Message, TextPart, Usage
from mlx_gui.log_tail import LogTail
from mlx_gui.store.data_dir import hold
from mlx_gui.store.database import Store
from tests.process.visitor import Visitor, chat, script, visited_server
from tests.support.server import PROGRAM
from tests.support.waiting import wait_until
from tests.zoo.cache import checkpoint

MODELS = ("fake/echo", "fake/slow", "fake/slow-load", "fake/second")
TENANTS = ("ann", "ben", "cem")


@pytest.mark.parametrize("requests", [30, pytest.param(200, marks=pytest.mark.soak)])
def test_four_models_in_two_places_serve_three_tenants_and_lose_no_request(
    tmp_path: Path, requests: int
) -> None:
    endings = asyncio.run(_crowd(tmp_path, requests))
    assert Counter(endings.values()) == {"answered": requests}
    served = Counter(request_id.split(" ")[0] for request_id in endings)
    assert set(served) == set(MODELS)


def _nothing() -> None:
    """Nothing is remembered of the runs of a test."""


async def _crowd(folder: Path, requests: int) -> dict[str, str]:
    """How each request ended, by model, tenant and number."""
    settings: dict[str, object] = {
        "data_dir": str(folder), "engine": "fake", "max_loaded_models": 2, "time_slice_s": 1.0,
        "port": 0, "warm_spare": False,
    }  # fmt: skip
    sources = read_sources(flags=settings, environment={})
    dice = random.Random(3)
    with hold(folder):
        store = Store.open(folder)
        application = Application(
            ServerSettings(sources, store, {}),
            store,
            address="http://127.0.0.1:0",
            safe_mode=SafeMode(0, _nothing),
            logs=LogTail(),
        )
        application.start()
        endings: dict[str, str] = {}

        async def ask(number: int) -> None:
            name, tenant = dice.choice(MODELS), dice.choice(TENANTS)
            request_id = f"{name} {tenant} {number}"
            text = script(text="word", repeat=dice.randint(1, 30), delay_ms=1)
            request = GenerateRequest((Message("user", (TextPart(text),)),))
            await asyncio.sleep(dice.uniform(0, requests / 60))
            events = application.services.dispatch.events(
                await application.library.find(name),
                Ask(request_id, request, "chat", tenant=tenant),
            )
            try:
                last = [event async for event in events][-1]
            except MlxGuiError as error:
                endings[request_id] = error.message
                return
            answered = isinstance(last, Usage)
            assert answered or isinstance(last, Failed)
            endings[request_id] = "answered" if answered else str(last)

        try:
            await asyncio.wait_for(asyncio.gather(*map(ask, range(requests))), 240)
            loaded = [w for w in application.run_loop.snapshot().models.values() if w.pid]
            assert len(loaded) <= 2
        finally:
            await application.drain(0)
            await application.close()
            store.close()
    return endings


def test_a_load_evicts_exactly_what_its_plan_had_said(tmp_path: Path) -> None:
    dice = random.Random(4)
    settings = {"max_loaded_models": 2}
    with visited_server(tmp_path, settings=settings) as visitor:
        evictions = 0
        for _ in range(12):
            name = dice.choice(MODELS)
            plan = _post(visitor, f"/v1/models/{name}/plan").json()
            _post(visitor, f"/v1/models/{name}/load", plan_token=plan["plan_token"])
            told = [each["id"] for each in plan["evict"]]
            made = visitor.client.get("/v1/manager/decisions", params={"limit": 20}).json()
            newest = [each for each in made["decisions"] if each["action"] in ("load", "evict")]
            done = [
                each["model"]
                for each in newest[: len(told) + 1]
                if each["action"] == "evict" and each["cause"] == name
            ]
            assert sorted(done) == sorted(told)
            evictions += len(told)
        assert evictions >= 3


def test_two_loads_that_race_for_the_last_memory_do_not_both_go_ahead(tmp_path: Path) -> None:
    names = ["fake/echo", "fake/slow-load"]
    settings = {"memory_limit_bytes": 400_000_000, "time_slice_s": 1}
    with visited_server(tmp_path, settings=settings) as visitor:
        needs = [_post(visitor, f"/v1/models/{name}/plan").json()["needs"] for name in names]
        assert sum(need["total_bytes"] for need in needs) > settings["memory_limit_bytes"]
        answers = asyncio.run(_together(visitor, names))
        assert [answer.status_code for answer in answers] == [200, 200]
        assert len([row for row in visitor.status()["loaded_models"] if row["pid"]]) == 1


async def _together(visitor: Visitor, names: list[str]) -> list[httpx.Response]:
    async with httpx.AsyncClient(
        base_url=visitor.server.address, timeout=120, trust_env=False
    ) as client:
        return list(
            await asyncio.gather(*(client.post(f"/v1/models/{name}/load") for name in names))
        )


def test_a_model_that_can_never_fit_is_refused_at_once_with_numbers_and_what_to_do(
    tmp_path: Path,
) -> None:
    with visited_server(tmp_path, settings={"memory_limit_bytes": 1_000_000}) as visitor:
        for answer in (
            visitor.ask("fake/echo", "Hello"),
            visitor.client.post("/v1/models/fake/echo/load"),
        ):
            error = answer.json()["error"]
            assert (answer.status_code, error["code"]) == (507, "model_too_large")
            assert "1.0 MB" in error["message"]
            assert " or " in error["hint"]
            assert answer.headers["x-should-retry"] == "false"
        plan = _post(visitor, "/v1/models/fake/echo/plan").json()
        assert plan["fits"] == "no"


@pytest.mark.soak
def test_a_model_whose_folder_was_removed_leaves_the_memory_with_the_next_search(
    tmp_path: Path,
) -> None:
    folder = tmp_path / "models" / "tiny"
    shutil.copytree(checkpoint("Qwen3-tiny"), folder / "stays")
    shutil.copytree(folder / "stays", folder / "goes")
    settings = {"model_dirs": tmp_path / "models", "keep_alive_s": -1}
    with visited_server(tmp_path, engine="mlx", settings=settings) as visitor:
        for name in ("tiny/stays", "tiny/goes"):
            _post(visitor, f"/v1/models/{name}/load")
        pins = {"settings": {"pinned": True}}
        visitor.client.patch("/v1/models/tiny/goes/settings", json=pins).raise_for_status()
        shutil.rmtree(folder / "goes")
        assert visitor.ask("tiny/goes", "Hello", max_tokens=2).status_code == 200
        _post(visitor, "/v1/models/rescan")
        wait_until(lambda: len(visitor.workers()) == 1, what="the removed model to leave")
        for path in ("load", "unload", "plan"):
            assert visitor.client.post(f"/v1/models/tiny/goes/{path}").status_code == 404
        assert visitor.ask("tiny/stays", "Hello", max_tokens=2).status_code == 200


@pytest.mark.soak
def test_a_load_of_a_model_whose_folder_is_gone_is_refused_and_found_out(tmp_path: Path) -> None:
    folder = tmp_path / "models" / "tiny"
    shutil.copytree(checkpoint("Qwen3-tiny"), folder / "stays")
    shutil.copytree(folder / "stays", folder / "goes")
    settings = {"model_dirs": tmp_path / "models"}
    with visited_server(tmp_path, engine="mlx", settings=settings) as visitor:
        shutil.rmtree(folder / "goes")
        for _ in range(2):
            answer = visitor.ask("tiny/goes", "Hello")
            assert (answer.status_code, answer.json()["error"]["code"]) == (404, "model_not_found")

        def listed() -> list[str]:
            answer = visitor.client.get("/v1/models").raise_for_status()
            return [model["id"] for model in answer.json()["data"]]

        wait_until(lambda: listed() == ["tiny/stays"], what="the folders to be searched")
        assert visitor.ask("tiny/stays", "Hello", max_tokens=2).status_code == 200


@pytest.mark.parametrize("cycles", [2, pytest.param(50, marks=pytest.mark.soak)])
def test_unloading_a_real_model_gives_its_memory_back_each_time(
    tmp_path: Path, cycles: int
) -> None:
    name = "Qwen3-tiny-wide"
    (tmp_path / "models" / "tiny").mkdir(parents=True)
    (tmp_path / "models" / "tiny" / name).symlink_to(checkpoint(name))
    settings = {"model_dirs": tmp_path / "models"}
    with visited_server(tmp_path, engine="mlx", settings=settings, program=PROGRAM) as visitor:
        server = psutil.Process(visitor.server.process.pid)
        held, shares = list[int](), list[float]()
        for _ in range(cycles):
            visitor.client.post(f"/v1/models/tiny/{name}/load").raise_for_status()
            answer = visitor.client.post(f"/v1/models/tiny/{name}/unload").json()
            assert answer["returned"]["held_bytes"] > 40_000_000
            shares.append(_share(answer["returned"]))
            held.append(server.memory_info().rss)
        assert not visitor.workers()
        # Other programs of the machine take and give meanwhile: the middle one tells.
        assert statistics.median(shares) > 0.95
        growth = held[-1] - held[min(2, cycles - 1)]
        assert growth / max(cycles - 3, 1) < 1_000_000


def _share(returned: dict[str, int]) -> float:
    """What came back of what a worker held."""
    grown = returned["available_after_bytes"] - returned["available_before_bytes"]
    return grown / returned["held_bytes"]


@pytest.mark.parametrize("kills", [2, pytest.param(20, marks=pytest.mark.soak)])
def test_kills_at_random_cost_their_own_requests_only_and_close_no_model(
    tmp_path: Path, kills: int
) -> None:
    settings = {"max_loaded_models": 3}
    with visited_server(tmp_path, settings=settings) as visitor:
        endings = asyncio.run(_killed(visitor, kills))
        assert set(endings) <= {"answered", "told"}, endings
        assert endings.count("answered") > kills
        for name in MODELS[:3]:
            assert visitor.ask(name, "after").status_code == 200
        pids = {row["pid"] for row in visitor.status()["loaded_models"]}
        wait_until(lambda: {w.pid for w in visitor.workers()} <= pids, what="no orphan")


async def _killed(visitor: Visitor, kills: int) -> list[str]:
    """How requests of three models end while one of their workers after the other is killed."""
    dice, endings, over = random.Random(5), list[str](), asyncio.Event()

    async def ask(client: httpx.AsyncClient, name: str) -> None:
        while not over.is_set():
            body = chat(name, script(text="word", repeat=20, delay_ms=2))
            answer = await client.post("/v1/chat/completions", json=body)
            told = "worker_failed" in answer.text and "retry-after" in answer.headers
            endings.append(
                "answered" if answer.status_code == 200 else "told" if told else answer.text
            )

    async def kill(client: httpx.AsyncClient) -> None:
        for _ in range(kills):
            await asyncio.sleep(dice.uniform(0.2, 1.0))
            before = len(endings)
            serving = [
                row["pid"]
                for row in (await client.get("/v1/manager/status")).json()["loaded_models"]
                if row["state"] in ("ready", "busy")
            ]
            if serving:
                psutil.Process(dice.choice(serving)).kill()
            # The breaker opens where nothing is served in between: that is another test.
            while len(endings) < before + 6:
                await asyncio.sleep(0.01)
        over.set()

    async with httpx.AsyncClient(
        base_url=visitor.server.address, timeout=120, trust_env=False
    ) as client:
        visits = [ask(client, name) for name in MODELS[:3] for _ in range(3)]
        await asyncio.gather(kill(client), *visits)
    return endings


def _post(visitor: Visitor, path: str, **body: Any) -> httpx.Response:
    answer = visitor.client.post(path, json=body or None)
    assert answer.status_code == 200, answer.text
    return answer
