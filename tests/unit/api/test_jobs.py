"""`/v1/jobs` over jobs that an earlier run of the server has left."""

import asyncio
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from mlx_gui.core.errors import ErrorInfo
from mlx_gui.core.job import Job
from mlx_gui.store.database import Store
from mlx_gui.store.jobs import all_jobs, keep_job
from tests.unit.api.parts import application, config, services, serving

ERROR = ErrorInfo("fetch_failed", "The registry is silent.", "Ask it later.")
JOBS = (
    Job("job-done", "lost", '{"a":1}', "Do one", "done", 1.0, 2.0, 3.0, "end", 5, 5, "bytes"),
    Job("job-failed", "lost", "{}", "Do two", "failed", 4.0, 5.0, 6.0, error=ERROR),
    Job("job-paused", "lost", "{}", "Do three", "paused", 7.0, 8.0, None, "half", 1, None, "bytes"),
)


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    opened = Store.open(tmp_path)
    for job in JOBS:
        asyncio.run(opened.write(lambda connection, job=job: keep_job(connection, job)))
    yield opened
    opened.close()


@pytest.fixture
def client(tmp_path: Path, store: Store) -> Iterator[httpx.Client]:
    parts = services(config(tmp_path), store=store)
    asyncio.run(parts.jobs.recall(resume=True))
    with serving(application(parts)) as address, httpx.Client(base_url=address) as made:
        yield made


def test_the_list_has_the_newest_first_with_all_that_is_known(client: httpx.Client) -> None:
    answer = client.get("/v1/jobs").raise_for_status().json()
    assert answer["object"] == "list"
    assert [job["id"] for job in answer["data"]] == ["job-paused", "job-failed", "job-done"]
    assert (
        client.get("/v1/jobs/job-done").json()
        == answer["data"][2]
        == {
            "id": "job-done",
            "object": "job",
            "kind": "lost",
            "title": "Do one",
            "arguments": {"a": 1},
            "state": "done",
            "stage": "end",
            "done": 5,
            "total": 5,
            "unit": "bytes",
            "error": None,
            "retry_at": None,
            "created_at": "1970-01-01T00:00:01.000Z",
            "updated_at": "1970-01-01T00:00:02.000Z",
            "ended_at": "1970-01-01T00:00:03.000Z",
        }
    )
    assert answer["data"][1]["error"] == {
        "code": "fetch_failed",
        "message": "The registry is silent.",
        "hint": "Ask it later.",
    }
    assert (answer["data"][0]["total"], answer["data"][0]["ended_at"]) == (None, None)


@pytest.mark.parametrize("name", ["lost", "job-done/", "%20", "a%2Fb", "é" * 300])
def test_a_job_that_is_not_there_is_told_with_where_to_look(
    client: httpx.Client, name: str
) -> None:
    if name == "job-done/":  # a slash at the end means nothing
        assert client.get(f"/v1/jobs/{name}").status_code == 200
        return
    asked = [client.get(f"/v1/jobs/{name}"), client.delete(f"/v1/jobs/{name}")]
    asked += [client.post(f"/v1/jobs/{name}/{word}") for word in ("pause", "resume", "cancel")]
    for answer in asked:
        error = answer.json()["error"]
        assert (answer.status_code, error["code"]) == (404, "not_found")
        assert error["hint"]


@pytest.mark.parametrize(
    ("job", "refused"),
    [
        ("done", ["pause", "resume", "cancel"]),
        ("failed", ["pause", "cancel"]),
        ("paused", ["DELETE"]),
    ],
)
def test_what_the_state_does_not_allow_is_a_conflict(
    client: httpx.Client, job: str, refused: list[str]
) -> None:
    for word in refused:
        path = f"/v1/jobs/job-{job}"
        answer = client.delete(path) if word == "DELETE" else client.post(f"{path}/{word}")
        assert (answer.status_code, answer.json()["error"]["code"]) == (409, "conflict")
        assert job in answer.json()["error"]["message"]


def test_what_is_done_to_a_job_is_kept_and_told_to_followers(
    client: httpx.Client, store: Store
) -> None:
    with client.stream("GET", "/v1/events") as answer:
        told = events(answer)
        assert next(told)[0] == "hello"
        assert client.post("/v1/jobs/job-paused/cancel").json()["state"] == "cancelled"
        assert next(data for name, data in told if name == "job")["id"] == "job-paused"
        assert client.delete("/v1/jobs/job-done").json() == {
            "id": "job-done",
            "object": "job",
            "deleted": True,
        }
        assert next(data for name, data in told if name == "job_removed") == {
            "id": "job-done",
            "object": "job",
            "deleted": True,
        }
    kept = asyncio.run(store.read(all_jobs))
    assert [(job.id, job.state) for job in kept] == [
        ("job-failed", "failed"),
        ("job-paused", "cancelled"),
    ]


def test_a_page_of_this_machine_may_look_at_jobs_and_not_change_them(client: httpx.Client) -> None:
    page = {"origin": "http://localhost:5173"}
    assert client.get("/v1/jobs", headers=page).status_code == 200
    for answer in (
        client.post("/v1/jobs/job-paused/resume", headers=page),
        client.delete("/v1/jobs/job-done", headers=page),
    ):
        assert (answer.status_code, answer.json()["error"]["code"]) == (403, "forbidden")


def events(answer: httpx.Response) -> Iterator[tuple[str, Any]]:
    name = ""
    for line in answer.iter_lines():
        field, _, value = line.partition(": ")
        if field == "event":
            name = value
        elif field == "data":
            yield name, json.loads(value)
