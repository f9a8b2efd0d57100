"""The real text engine in its worker: what it refuses, what it survives, what it cannot load."""

import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.process.visitor import Visitor, chat, visited_server
from tests.zoo.cache import checkpoint

GEMMA, QWEN = "tiny/gemma-3-text-tiny", "tiny/Qwen3-tiny-trained"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Visitor]:
    folder = tmp_path_factory.mktemp("real")
    models = folder / "models" / "tiny"
    models.mkdir(parents=True)
    for model_id in (GEMMA, QWEN):
        name = model_id.removeprefix("tiny/")
        (models / name).symlink_to(checkpoint(name))
    _write_broken_ones(models, checkpoint("Qwen3-tiny-trained"))
    settings = {"model_dirs": folder / "models", "max_context_tokens": 256}
    with visited_server(folder, engine="mlx", settings=settings) as visitor:
        yield visitor


def _write_broken_ones(models: Path, whole: Path) -> None:
    """Folders whose faults show only when the weights are read."""
    other_shape = models / "other-shape"
    shutil.copytree(whole, other_shape)
    config = json.loads((whole / "config.json").read_text())
    (other_shape / "config.json").write_text(json.dumps({**config, "hidden_size": 128}))
    nonsense = models / "nonsense-tokenizer"
    shutil.copytree(whole, nonsense)
    (nonsense / "tokenizer.json").write_text('{"version": "1.0"}')


def refusal(answer: httpx.Response, status: int, code: str) -> dict[str, Any]:
    error = answer.json()["error"]
    assert (answer.status_code, error["code"]) == (status, code), error
    assert error["message"]
    assert error["hint"]
    assert "Traceback" not in answer.text
    return error


def test_what_the_template_refuses_is_told_in_its_own_words(server: Visitor) -> None:
    template = "{{ raise_exception('Roles must alternate') }}"
    body = chat(GEMMA, "Hello", chat_template=template)
    error = refusal(server.client.post("/v1/chat/completions", json=body), 400, "invalid_request")
    assert "alternate" in error["message"]
    assert server.ask(GEMMA, "Hello", max_tokens=2).status_code == 200


def test_a_prompt_beyond_the_context_is_refused_with_both_numbers(server: Visitor) -> None:
    server.ask(QWEN, "Hello", max_tokens=2)
    pid = server.row(QWEN)["pid"]
    error = refusal(server.ask(QWEN, "word " * 400), 400, "context_length_exceeded")
    assert "256" in error["message"]
    assert error["details"]["prompt_tokens"] > 256
    with server.stream(QWEN, "word " * 400) as stream:
        assert stream.response.status_code == 400
    assert server.ask(QWEN, "Hello", max_tokens=2).status_code == 200
    assert server.row(QWEN)["pid"] == pid


def test_an_answer_ends_where_the_context_does(server: Visitor) -> None:
    answer = server.ask(GEMMA, "Hello", max_tokens=100_000, temperature=0).json()
    assert answer["usage"]["total_tokens"] <= 256
    assert answer["choices"][0]["finish_reason"] in ("length", "stop")


@pytest.mark.parametrize(
    ("name", "reason"), [("other-shape", "shape"), ("nonsense-tokenizer", "tokenizer")]
)
def test_a_model_that_fails_while_it_loads_says_why_and_hurts_nobody(
    server: Visitor, name: str, reason: str
) -> None:
    server.ask(QWEN, "Hello", max_tokens=2)
    pid = server.row(QWEN)["pid"]
    error = refusal(server.ask(f"tiny/{name}", "Hello"), 500, "load_failed")
    assert reason in error["message"].lower()
    assert server.client.get(f"/v1/models/tiny/{name}").json()["state"] == "failed"
    assert server.row(QWEN)["pid"] == pid
    assert server.ask(QWEN, "Hello", max_tokens=2).status_code == 200


def test_a_killed_worker_is_replaced_by_the_next_request(server: Visitor) -> None:
    server.ask(GEMMA, "Hello", max_tokens=1)
    worker = server.worker(GEMMA)
    # Asked for before the stream, which is soon over, and random weights may end it at once.
    with server.stream(GEMMA, "Hello", max_tokens=240, ignore_eos=True) as stream:
        stream.text()
        worker.kill()
        assert stream.rest()[-1]["error"]["code"] == "worker_failed"
    assert server.ask(GEMMA, "Hello", max_tokens=2).status_code == 200


def test_equal_seeds_give_equal_answers_whoever_else_is_served(server: Visitor) -> None:
    wish: dict[str, Any] = {"seed": 7, "temperature": 1.5, "max_tokens": 24}
    alone = server.ask(GEMMA, "Hello", **wish).json()["choices"][0]["message"]["content"]
    with server.stream(GEMMA, "Hello", max_tokens=150, temperature=1, ignore_eos=True) as other:
        other.text()
        beside = server.ask(GEMMA, "Hello", **wish).json()["choices"][0]["message"]["content"]
    assert beside == alone
