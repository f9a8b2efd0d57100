"""How fast a model is, measured through a running server."""

import json
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from mlx_gui.version import __version__
from tests.process.pulling import mlx_gui
from tests.process.visitor import Visitor, visited_server
from tests.support.waiting import wait_until
from tests.zoo.cache import checkpoint

MODEL = "SmolLM2-tiny-trained"
CONTEXT = 512


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Visitor]:
    folder = tmp_path_factory.mktemp("benchmarks")
    settings = {"model_dirs": checkpoint(MODEL).parent, "max_context_tokens": CONTEXT}
    with visited_server(folder, engine="mlx", settings=settings) as visitor:
        yield visitor


def ended(server: Visitor, answer: httpx.Response) -> dict[str, Any]:
    assert answer.status_code == 202, answer.text
    path = f"/v1/jobs/{answer.json()['id']}"

    def over() -> bool:
        return server.client.get(path).json()["state"] in ("done", "failed")

    wait_until(over, what="the job to end")
    return server.client.get(path).json()


def test_each_trial_has_its_figures_and_what_does_not_fit_says_why(server: Visitor) -> None:
    body = {"prompt_tokens": [64, 4096], "answer_tokens": 8, "at_once": [1, 3]}
    job = ended(server, server.client.post(f"/v1/models/{MODEL}/benchmark", json=body))
    assert (job["state"], job["kind"], job["unit"]) == ("done", "benchmark", "tokens"), job
    assert job["done"] <= job["total"] == 4 * (64 + 8) + 4 * (4096 + 8)

    kept, *_ = server.client.get(f"/v1/models/{MODEL}/benchmarks").json()["benchmarks"]
    assert (kept["model"], kept["context"]) == (MODEL, CONTEXT)
    assert kept["version"] == __version__
    tried = [(row["prompt_tokens"], row["at_once"]) for row in kept["figures"]]
    assert tried == [(64, 1), (64, 3), (4096, 1), (4096, 3)]
    for row in kept["figures"][:2]:
        assert row["problem"] is None
        assert row["first_token_ms"] > 0
        assert row["prompt_tokens_per_s"] > 0
        assert row["answer_tokens_per_s"] > 0
    for row in kept["figures"][2:]:
        assert str(CONTEXT) in row["problem"].replace(",", "")
        assert row["first_token_ms"] is None

    asked = server.client.get("/v1/requests", params={"endpoint": "benchmark"}).json()["data"]
    assert {row["model"] for row in asked} == {MODEL}
    read = [row["tokens"] for row in asked if row["tokens"]]
    # Two may begin with the same word, and no more.
    assert all(tokens["cached"] <= tokens["prompt"] // 8 for tokens in read)


def printed(server: Visitor, *arguments: str) -> str:
    process = mlx_gui(server.server, *arguments)
    out, said = process.communicate(timeout=120)
    assert process.returncode == 0, said
    return out


def test_the_command_measures_and_shows_what_was_kept(server: Visitor) -> None:
    small = ("--prompt-tokens", "32", "--answer-tokens", "4", "--at-once", "1", "--json")
    (row,) = json.loads(printed(server, "benchmark", MODEL, *small))[0]["figures"]
    assert (row["prompt_tokens"], row["answer_tokens"], row["at_once"]) == (32, 4, 1)
    assert "tokens/s" in printed(server, "benchmark", MODEL, "--show")


def test_a_cancelled_one_leaves_nothing(server: Visitor) -> None:
    body = {"prompt_tokens": [256], "answer_tokens": 200, "at_once": [16]}
    before = server.client.get(f"/v1/models/{MODEL}/benchmarks").json()
    job = server.client.post(f"/v1/models/{MODEL}/benchmark", json=body).json()
    cancelled = server.client.post(f"/v1/jobs/{job['id']}/cancel").json()
    assert cancelled["state"] == "cancelled"
    assert server.client.get(f"/v1/models/{MODEL}/benchmarks").json() == before
    wait_until(
        lambda: server.client.get("/v1/manager/status").json()["active_requests"] == 0,
        what="its requests to leave",
    )


@pytest.mark.parametrize(
    ("body", "param"),
    [
        ({"prompt_tokens": []}, "prompt_tokens"),
        ({"prompt_tokens": [0]}, "prompt_tokens"),
        ({"at_once": [10**9]}, "at_once"),
        ({"answer_tokens": -1}, "answer_tokens"),
    ],
)
def test_what_is_no_measure_is_refused(server: Visitor, body: dict[str, Any], param: str) -> None:
    answer = server.client.post(f"/v1/models/{MODEL}/benchmark", json=body)
    error = answer.json()["error"]
    assert (answer.status_code, error["code"], error["param"]) == (400, "invalid_request", param)


def test_an_unknown_model_is_not_found(server: Visitor) -> None:
    assert server.client.post("/v1/models/none/benchmark").status_code == 404
    assert server.client.get("/v1/models/none/benchmarks").status_code == 404
