"""Every request leaves exactly one record, however it ends."""

import asyncio
import os
import subprocess
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.process.test_guides_of_models import GUIDES, SHELL
from tests.process.visitor import ENDLESS, Visitor, chat, script, visited_server
from tests.support.waiting import wait_until

DEADLINE_S = 120
AT_ONCE = 32
ANSWER = script(text="word", repeat=10)
HANG_UP_EVERY, CRASH_EVERY, REFUSE_EVERY = 10, 25, 7


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Visitor]:
    """A server whose model is loaded, for those who leave it as it was."""
    with visited_server(tmp_path_factory.mktemp("shared")) as visitor:
        assert visitor.ask("fake/echo", "Hello").status_code == 200
        yield visitor


def ending(number: int) -> str:
    """How request `number` is to end; most are answered."""
    if number % CRASH_EVERY == 0:
        return "crash"
    if number % HANG_UP_EVERY == 0:
        return "hang up"
    return "refuse" if number % REFUSE_EVERY == 0 else "answer"


async def ask(client: httpx.AsyncClient, number: int) -> None:
    headers = {"x-request-id": f"asked-{number}"}
    match ending(number):
        case "crash":
            body = chat("fake/crash", "Hello")
        case "hang up":
            body = chat("fake/echo", ENDLESS, stream=True)
        case "refuse":
            body = chat("fake/echo", "word " * 100_000)
        case _:
            body = chat("fake/echo", ANSWER, stream=number % 2 == 0)
    async with client.stream("POST", "/v1/chat/completions", json=body, headers=headers) as answer:
        async for _ in answer.aiter_bytes():
            if ending(number) == "hang up":
                return


async def ask_all(address: str, count: int) -> None:
    turn = asyncio.Semaphore(AT_ONCE)
    limits = httpx.Limits(max_connections=AT_ONCE)
    async with httpx.AsyncClient(
        base_url=address, limits=limits, timeout=DEADLINE_S, trust_env=False
    ) as client:

        async def one(number: int) -> None:
            async with turn:
                await ask(client, number)

        await asyncio.gather(*(one(number) for number in range(1, count + 1)))


def all_records(visitor: Visitor) -> list[dict[str, Any]]:
    """Page by page, as one who follows."""
    records: list[dict[str, Any]] = []
    more = True
    while more:
        after = records[-1]["seq"] if records else 0
        query = {"after": after, "limit": 1000}
        page = visitor.client.get("/v1/requests", params=query).raise_for_status().json()
        records += page["data"]
        more = page["has_more"]
    return records


@pytest.mark.parametrize("count", [200, pytest.param(10_000, marks=pytest.mark.soak)])
def test_a_storm_leaves_exactly_as_many_records_as_requests(tmp_path: Path, count: int) -> None:
    with visited_server(tmp_path, settings={"slots": 8, "max_queue": 1000}) as visitor:
        asyncio.run(ask_all(visitor.server.address, count))
        wait_until(
            lambda: not visitor.client.get("/v1/requests", params={"limit": 1}).json()["running"],
            what="the last requests to end",
        )
        records = all_records(visitor)
        figures = visitor.client.get("/metrics").text
        assert visitor.server.stop() == 0

    assert Counter(each["request_id"] for each in records) == Counter(
        f"asked-{number}" for number in range(1, count + 1)
    )
    assert [each["seq"] for each in records] == list(range(1, count + 1))
    outcomes = {
        wanted: Counter(
            each["status"]
            for each in records
            if ending(int(each["request_id"].removeprefix("asked-"))) == wanted
        )
        for wanted in ("answer", "hang up", "refuse", "crash")
    }
    print(outcomes)
    assert set(outcomes["answer"]) == {"finished"}
    assert set(outcomes["hang up"]) == {"cancelled"}
    assert set(outcomes["refuse"]) == {"refused"}
    assert set(outcomes["crash"]) <= {"failed", "refused"}
    # Who hung up may have done so before the first token; what was computed is known all the same.
    begun = [each for each in records if each["status"] == "cancelled" and _had_its_turn(each)]
    assert begun
    assert all(each["tokens"]["prompt"] > 0 for each in begun)
    finished = [each for each in records if each["status"] == "finished"]
    assert all(each["tokens"]["completion"] > 0 for each in finished)
    assert all(each["phases"]["first_token_ms"] is not None for each in finished)
    assert sum(_counted(figures)) == count


def _had_its_turn(record: dict[str, Any]) -> bool:
    """Whether it was more than a wait: that for a model may be longer than a client's patience."""
    phases = record["phases"]
    return phases["total_ms"] > phases["queued_ms"] + (phases["load_ms"] or 0) + 1


def _counted(figures: str) -> list[float]:
    lines = [line for line in figures.splitlines() if line.startswith("mlx_gui_requests_total{")]
    return [float(line.rpartition(" ")[2]) for line in lines]


def test_records_outlive_the_server_and_its_last_requests_are_among_them(tmp_path: Path) -> None:
    with visited_server(tmp_path, settings={"shutdown_grace_s": 0.2}) as visitor:
        assert visitor.ask("fake/echo", "Hello").status_code == 200
        with visitor.stream("fake/echo", ENDLESS) as stream:
            assert stream.text()
            visitor.server.process.terminate()
            visitor.server.process.wait(DEADLINE_S)
    with visited_server(tmp_path) as visitor:
        records = all_records(visitor)
    assert records[0]["status"] == "finished"
    assert len(records) == 2


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize(
    ("path", "told"),
    [
        ("/v1/chat/completions", "request_cancelled"),
        ("/v1/messages", "invalid_request_error"),
        ("/api/chat", "has cancelled this request"),
        ("/v1/responses", "request_cancelled"),
    ],
)
def test_a_cancelled_request_ends_in_its_family_s_shape(
    shared: Visitor, path: str, told: str, stream: bool
) -> None:
    name = f"{path.replace('/', '-')}-{stream}"
    body = chat("fake/echo", ENDLESS, stream=stream, max_tokens=100_000)
    if path == "/v1/responses":
        body = {"model": "fake/echo", "input": ENDLESS, "stream": stream}

    async def ask_and_cancel() -> httpx.Response:
        async with httpx.AsyncClient(
            base_url=shared.server.address, timeout=DEADLINE_S, trust_env=False
        ) as client:
            headers = {"x-request-id": name}
            asking = asyncio.create_task(client.post(path, json=body, headers=headers))
            while (await client.get(f"/v1/requests/{name}")).status_code == 404:
                assert not asking.done(), asking.result().text
            cancelled = await client.post(f"/v1/requests/{name}/cancel")
            assert cancelled.status_code == 200, cancelled.text
            return await asking

    def record() -> dict[str, Any]:
        return shared.client.get(f"/v1/requests/{name}").raise_for_status().json()

    answer = asyncio.run(ask_and_cancel())
    wait_until(lambda: record()["ended_at"] is not None, what="the request to end")
    again = shared.client.post(f"/v1/requests/{name}/cancel")

    assert told in answer.text
    assert stream or answer.status_code == 409
    assert (record()["status"], record()["endpoint"]) == ("cancelled", path)
    assert record()["error"]["code"] == "request_cancelled"
    assert again.status_code == 409
    assert shared.ask("fake/echo", "Hello").status_code == 200


def test_the_shell_of_the_guide_runs(shared: Visitor) -> None:
    examples: list[str] = SHELL.findall((GUIDES / "requests.md").read_text())
    assert examples
    for example in examples:
        here = example.replace("http://127.0.0.1:8000", shared.server.address)
        ran = subprocess.run(
            ["bash", "-euo", "pipefail", "-c", here.replace("SmolLM2-135M-Instruct", "echo")],
            capture_output=True,
            text=True,
            env={**os.environ, "NO_PROXY": "127.0.0.1"},
            timeout=DEADLINE_S,
        )
        assert ran.returncode == 0, ran.stderr
        assert "fake/echo" in ran.stdout
