"""The official ollama client against a tiny real model."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from ollama import Client, ResponseError

from tests.support.server import Server, running_server
from tests.zoo.cache import checkpoints

MODEL = "Qwen3-tiny-trained"
ADAPTER = "Qwen3-tiny-adapter"
MESSAGES = [{"role": "user", "content": "Hello"}]
GREEDY = {"temperature": 0, "num_predict": 40}


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    folder = tmp_path_factory.mktemp("real")
    models: Path = folder / "models" / "tiny"
    models.mkdir(parents=True)
    for name, lies_in in zip((MODEL, ADAPTER), checkpoints(MODEL, ADAPTER), strict=True):
        (models / name).symlink_to(lies_in)
    settings = {"model_dirs": folder / "models", "max_context_tokens": 256}
    with running_server(folder, engine="mlx", settings=settings) as server:
        yield server


@pytest.fixture(scope="module")
def client(server: Server) -> Iterator[Client]:
    with Client(server.address, trust_env=False) as client:
        yield client


def test_a_stream_says_what_the_whole_answer_says(client: Client) -> None:
    whole = client.chat(MODEL, MESSAGES, options=GREEDY)
    *pieces, last = client.chat(f"tiny/{MODEL}:latest", MESSAGES, options=GREEDY, stream=True)

    assert whole.message.content
    assert "".join(piece.message.content or "" for piece in pieces) == whole.message.content
    assert last.done_reason == whole.done_reason
    assert whole.eval_count == last.eval_count
    assert 0 < (whole.eval_count or 0) <= 40
    assert whole.prompt_eval_count == last.prompt_eval_count
    assert (whole.prompt_eval_duration or 0) > 0
    assert (whole.eval_duration or 0) > 0


def test_a_prompt_is_asked_as_the_only_turn_of_a_chat(client: Client) -> None:
    chat = client.chat(MODEL, MESSAGES, options=GREEDY)

    assert client.generate(MODEL, "Hello", options=GREEDY).response == chat.message.content


def test_a_seed_repeats_an_answer(client: Client) -> None:
    options = {"temperature": 1.5, "seed": 11, "num_predict": 8}

    first, second = (client.chat(MODEL, MESSAGES, options=options) for _ in range(2))

    assert first.message.content == second.message.content


def test_a_prompt_beyond_the_context_is_refused_with_both_numbers(client: Client) -> None:
    with pytest.raises(ResponseError) as refusal:
        client.generate(MODEL, "word " * 400, options={"num_ctx": 100_000})

    assert refusal.value.status_code == 400
    assert "256" in refusal.value.error


def test_too_long_a_conversation_loses_its_oldest_turns_unless_that_is_forbidden(
    server: Server,
) -> None:
    said = "word " * 60
    turns = [{"role": "user", "content": said}, {"role": "assistant", "content": said}]
    body = {"model": MODEL, "messages": [*turns * 3, *MESSAGES], "options": GREEDY}
    with server.client() as client:
        *_, last = client.post("/api/chat", json=body).text.splitlines()
        whole = client.post("/api/chat", json=body | {"stream": False}).json()
        refusal = client.post("/api/chat", json=body | {"truncate": False})

    assert json.loads(last)["truncated_messages"] == whole["truncated_messages"] >= 4
    assert whole["message"]["content"]
    assert (refusal.status_code, refusal.json()["code"]) == (400, "context_length_exceeded")
    assert "oldest_turns_dropped" in server.log.read_text()


def test_a_prompt_follows_on_the_context_of_an_earlier_answer(server: Server) -> None:
    def ask(client: httpx.Client, prompt: str, **fields: object) -> dict[str, Any]:
        body = {"model": MODEL, "prompt": prompt, "stream": False, "options": GREEDY, **fields}
        answer = client.post("/api/generate", json=body)
        assert answer.status_code == 200, answer.text
        return answer.json()

    with server.client() as client:
        first = ask(client, "My name is Ada.", think=False)
        alone = ask(client, "What is my name?", think=False)
        both = ask(client, "What is my name?", think=False, context=first["context"])
        tokens = {"model": MODEL, "tokens": both["context"]}
        text = client.post("/v1/detokenize", json=tokens).json()["prompt"]
        much = ask(client, "What is my name?", think=False, context=first["context"] * 20)
        raw = ask(client, "Once", raw=True)

    assert first["response"] == "Nice to meet you, Ada."
    told = len(first["context"])
    assert told == first["prompt_eval_count"] + first["eval_count"]
    assert both["prompt_eval_count"] == told + alone["prompt_eval_count"]
    assert both["context"][:told] == first["context"]
    places = [text.index(said) for said in ("is Ada.", "meet you, Ada.", "my name?")]
    assert places == sorted(places)
    assert much["truncated_tokens"] > 0
    assert much["prompt_eval_count"] < 256
    assert "context" not in raw


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"context": [5, 1_000_000]}, "There is no token 1000000; the model has those below"),
        ({"context": [-1]}, "`context[0]`"),
        ({"context": [1] * 500, "truncate": False}, "256"),
    ],
)
def test_a_context_that_the_model_cannot_read_is_refused(
    server: Server, fields: dict[str, Any], message: str
) -> None:
    with server.client() as client:
        # A stream waits for a model for some seconds only until it says that all is well.
        client.post("/api/generate", json={"model": MODEL}).raise_for_status()
        answer = client.post("/api/generate", json={"model": MODEL, "prompt": "Hello", **fields})

    assert answer.status_code == 400
    assert message in answer.json()["error"]


def test_the_model_is_shown_as_it_lies_on_disk(client: Client) -> None:
    card = client.show(MODEL)
    (listed,) = client.list().models

    assert card.modelinfo is not None
    assert card.modelinfo["general.architecture"] == "qwen3"
    assert "{%" in (card.template or "")
    assert card.modified_at == listed.modified_at
    assert listed.model == f"tiny/{MODEL}"


def test_a_pair_of_base_and_adapter_is_shown_while_it_is_in_memory(client: Client) -> None:
    client.generate(f"{MODEL}+{ADAPTER}", keep_alive="1h")
    running = [model.model for model in client.ps().models]
    client.generate(f"{MODEL}+{ADAPTER}", keep_alive=0)

    assert f"tiny/{MODEL}+tiny/{ADAPTER}" in running
    assert f"tiny/{MODEL}+tiny/{ADAPTER}" not in [model.model for model in client.ps().models]


def test_no_keep_alive_unloads_it(client: Client) -> None:
    client.generate(MODEL, keep_alive=-1)
    assert [model.model for model in client.ps().models] == [f"tiny/{MODEL}"]

    assert client.generate(MODEL, keep_alive=0).done_reason == "unload"

    assert client.ps().models == []
