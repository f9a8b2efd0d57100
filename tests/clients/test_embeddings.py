"""Embeddings of tiny models with the official clients of OpenAI and Ollama, in every form."""

import base64
import json
import math
import struct
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx
import ollama
import openai
import psutil
import pytest
from openai import OpenAI

from tests.encoders.cache import encoder
from tests.support.server import Server, running_server
from tests.support.soak import mostly_in_soak
from tests.support.waiting import wait_until

NAMES = (
    "MiniLM-tiny",
    "bge-tiny",
    "lost-tiny",
    "Qwen3-Embedding-tiny",
    "embeddinggemma-tiny",
    "xlm-roberta-tiny",
)
TEXTS = ["What is the capital of France?", "Hello", "My name is Ada. " * 5]


@pytest.fixture(scope="module")
def encoders(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server that has tiny encoders, as `tiny/NAME`."""
    folder = tmp_path_factory.mktemp("encoders")
    models = folder / "models" / "tiny"
    models.mkdir(parents=True)
    for name in NAMES:
        (models / name).symlink_to(encoder(name))
    settings = {"model_dirs": folder / "models"}
    with running_server(folder, engine="mlx", settings=settings) as server:
        yield server


@pytest.fixture(scope="module")
def client(encoders: Server) -> Iterator[OpenAI]:
    with OpenAI(base_url=f"{encoders.address}/v1", api_key="none", max_retries=0) as client:
        yield client


@pytest.fixture(scope="module")
def local(encoders: Server) -> Iterator[ollama.Client]:
    with ollama.Client(host=encoders.address) as client:
        yield client


def post(server: Server, path: str, body: dict[str, Any]) -> httpx.Response:
    with server.client() as http:
        return http.post(path, json=body)


@pytest.mark.parametrize(
    "name",
    mostly_in_soak(
        [name for name in NAMES if name != "lost-tiny"],
        but=("MiniLM-tiny", "embeddinggemma-tiny"),
    ),
)
def test_floats_and_base64_of_the_client_are_the_same(client: OpenAI, name: str) -> None:
    asked: dict[str, Any] = {"model": f"tiny/{name}", "input": TEXTS}
    # Without a format the client asks for base64 and unpacks it.
    packed = [each.embedding for each in client.embeddings.create(**asked).data]
    plain = client.embeddings.create(**asked, encoding_format="float")
    assert packed == [each.embedding for each in plain.data]
    assert [each.index for each in plain.data] == [0, 1, 2]
    assert all(math.isclose(math.hypot(*each), 1, rel_tol=1e-5) for each in packed)
    assert plain.usage.prompt_tokens == plain.usage.total_tokens > 10


def test_ollamas_client_gets_the_vectors_of_openais(client: OpenAI, local: ollama.Client) -> None:
    theirs = local.embed("tiny/MiniLM-tiny", TEXTS)
    ours = client.embeddings.create(model="tiny/MiniLM-tiny", input=TEXTS)
    assert [list(each) for each in theirs.embeddings] == [each.embedding for each in ours.data]
    assert theirs.prompt_eval_count == ours.usage.prompt_tokens
    assert theirs.total_duration is not None
    assert theirs.load_duration is not None
    assert theirs.total_duration > theirs.load_duration > 0
    assert theirs.model == "tiny/MiniLM-tiny"


def test_ollamas_older_form_has_one_vector(local: ollama.Client) -> None:
    one = local.embeddings("tiny/MiniLM-tiny", "Hello")
    assert list(one.embedding) == list(local.embed("tiny/MiniLM-tiny", "Hello").embeddings[0])


@pytest.mark.parametrize("body", [{}, {"input": ""}, {"input": []}, {"input": None}])
def test_without_a_text_ollamas_form_loads_the_model(
    encoders: Server, body: dict[str, Any]
) -> None:
    answer = post(encoders, "/api/embed", {"model": "tiny/bge-tiny", **body})
    assert answer.status_code == 200
    assert (answer.json()["embeddings"], answer.json()["prompt_eval_count"]) == ([], 0)
    with encoders.client() as http:
        status = http.get("/v1/manager/status").json()
    assert "tiny/bge-tiny" in {each["id"] for each in status["loaded_models"]}
    older = post(encoders, "/api/embeddings", {"model": "tiny/bge-tiny", "prompt": ""})
    assert older.json() == {"embedding": []}


def test_ollamas_form_cuts_what_is_too_long_unless_it_is_told_not_to(
    local: ollama.Client, encoders: Server
) -> None:
    long = "France " * 500
    cut = local.embed("tiny/MiniLM-tiny", long)
    assert cut.prompt_eval_count == 128
    with pytest.raises(ollama.ResponseError, match="502 tokens, the model reads 128"):
        local.embed("tiny/MiniLM-tiny", long, truncate=False)
    answer = post(encoders, "/api/embed", {"model": "tiny/MiniLM-tiny", "input": ["Hello", long]})
    assert answer.headers["x-mlx-gui-left-out"] == "374 tokens of input 1"


def test_ollamas_dimensions_shorten(local: ollama.Client) -> None:
    (short,) = local.embed("tiny/bge-tiny", "Hello", dimensions=8).embeddings
    assert len(short) == 8
    assert math.isclose(math.hypot(*short), 1, rel_tol=1e-6)


def test_prompts_are_asked_for_by_name_or_by_purpose(client: OpenAI) -> None:
    def vector(text: str, **more: Any) -> list[float]:
        answer = client.embeddings.create(
            model="tiny/embeddinggemma-tiny", input=text, extra_body=more
        )
        return answer.data[0].embedding

    whole = vector("task: search result | query: Hello")
    assert vector("Hello", prompt_name="query") == vector("Hello", input_type="query") == whole
    assert vector("Hello") != whole


def test_what_is_cut_or_has_no_prompt_is_told(encoders: Server) -> None:
    body = {"model": "tiny/MiniLM-tiny", "input": "France " * 200, "truncate": "END"}
    cut = post(encoders, "/v1/embeddings", body)
    assert cut.json()["usage"]["prompt_tokens"] == 128
    assert cut.headers["x-mlx-gui-left-out"] == "74 tokens of input 0"
    body = {"model": "tiny/MiniLM-tiny", "input": "Hello", "input_type": "clustering"}
    assert post(encoders, "/v1/embeddings", body).headers["x-mlx-gui-left-out"] == "input_type"


def test_a_model_that_does_not_say_how_to_pool_is_refused_until_it_is_set(
    encoders: Server, client: OpenAI
) -> None:
    with pytest.raises(openai.BadRequestError) as refusal:
        client.embeddings.create(model="tiny/lost-tiny", input="Hello")
    assert refusal.value.code == "model_unsupported"
    assert "do not say how" in refusal.value.message
    with encoders.client() as http:
        body = {"settings": {"pooling": "mean"}}
        http.patch("/v1/models/tiny/lost-tiny/settings", json=body).raise_for_status()
    mean = client.embeddings.create(model="tiny/lost-tiny", input="Hello").data[0].embedding
    like = client.embeddings.create(model="tiny/MiniLM-tiny", input="Hello").data[0].embedding
    assert mean == pytest.approx(like, abs=1e-5)


@pytest.mark.parametrize(
    ("body", "param", "said"),
    [
        ({"input": []}, "input", "at least 1 input"),
        ({"input": ""}, "input", "Input 0 is empty."),
        ({"input": None}, "input", ""),
        ({}, "input", ""),
        ({"input": 3}, "input", "a string, a list of token ids"),
        ({"input": {"text": "x"}}, "input", "a string, a list of token ids"),
        ({"input": [["Hello"]]}, "input", "token ids"),
        ({"input": [[1, 2], [[3]]]}, "input", "token ids"),
        ({"input": [1.5]}, "input", "text or token ids"),
        ({"input": ["x", 3]}, "input", "text or token ids"),
        ({"input": ["x"] * 100_001}, "input", "at most 16384 inputs, not 100001"),
        ({"input": [1, -1]}, "input", "token ids"),
        ({"input": [1, 999_999]}, "input", "has no token 999999"),
        ({"input": [[5], [2**31 - 1]]}, "input", "has no token 2147483647"),
        ({"input": [2**31]}, "input", "token ids"),
        ({"input": [True]}, "input", "token ids"),
        ({"input": "Hello", "dimensions": 0}, "dimensions", "between 1 and"),
        ({"input": "Hello", "dimensions": 65}, "dimensions", "64 dimensions, not 65"),
        ({"input": "Hello", "dimensions": "8"}, "dimensions", ""),
        ({"input": "Hello", "encoding_format": "hex"}, "encoding_format", "'float' or 'base64'"),
        ({"input": "Hello", "prompt_name": "no"}, "prompt_name", "has no prompt 'no'"),
        ({"input": "Hello", "truncate": "START"}, "truncate", ""),
        ({"input": "France " * 500}, "input", "502 tokens, the model reads 128"),
        ({"input": "France " * 300_000}, "input", "the model reads 128"),
        (
            {"input": "Hello", "prompt_name": "a", "input_type": "query"},
            "input_type",
            "Send one of them",
        ),
    ],
)
def test_bad_input_is_a_clear_400_and_the_worker_answers_the_next_one(
    encoders: Server, body: dict[str, Any], param: str, said: str
) -> None:
    answer = post(encoders, "/v1/embeddings", {"model": "tiny/MiniLM-tiny", **body})
    assert answer.status_code == 400, answer.text
    error = answer.json()["error"]
    assert (error["type"], error["param"].partition(".")[0]) == ("invalid_request_error", param)
    assert said in f"{error['message']} {error.get('hint', '')}"
    next_one = {"model": "tiny/MiniLM-tiny", "input": "Hello"}
    assert post(encoders, "/v1/embeddings", next_one).status_code == 200


@pytest.mark.parametrize(
    "body",
    [
        {"input": 3},
        {"input": [3]},
        {"input": [["x"]]},
        {"input": {"a": 1}},
        {"input": "x", "dimensions": 65},
        {"input": "x", "dimensions": -1},
        {"input": "x", "keep_alive": "soon"},
        {"input": ["x"] * 100_001},
    ],
)
def test_bad_input_of_ollamas_form_is_a_400_in_its_shape(
    encoders: Server, body: dict[str, Any]
) -> None:
    answer = post(encoders, "/api/embed", {"model": "tiny/MiniLM-tiny", **body})
    assert answer.status_code == 400
    assert isinstance(answer.json()["error"], str)


def test_many_clients_at_once_get_their_own_vectors(client: OpenAI) -> None:
    def vector(text: str) -> list[float]:
        return client.embeddings.create(model="tiny/MiniLM-tiny", input=text).data[0].embedding

    texts = [f"text number {number} of many" for number in range(48)]
    with ThreadPoolExecutor(16) as pool:
        together = list(pool.map(vector, texts))
    alone = client.embeddings.create(model="tiny/MiniLM-tiny", input=texts)
    for one, other in zip(together, alone.data, strict=True):
        assert one == pytest.approx(other.embedding, abs=1e-5)


def test_a_small_request_is_answered_while_a_large_one_runs(
    encoders: Server, client: OpenAI
) -> None:
    done = threading.Event()

    def large() -> int:
        body = {"model": "tiny/bge-tiny", "input": ["France Paris Tokyo " * 30] * 1000}
        body["encoding_format"] = "base64"
        with encoders.client() as http:
            answer = http.post("/v1/embeddings", json=body, timeout=300).raise_for_status()
        done.set()
        return len(answer.json()["data"])

    client.embeddings.create(model="tiny/bge-tiny", input="warm")
    with ThreadPoolExecutor(1) as pool:
        running = pool.submit(large)
        before = 0
        while not done.is_set():
            client.embeddings.create(model="tiny/bge-tiny", input="Hello")
            before += not done.is_set()
        assert running.result() == 1000
    assert before > 3


def test_whoever_hangs_up_frees_the_engine(encoders: Server, client: OpenAI) -> None:
    client.embeddings.create(model="tiny/bge-tiny", input="warm")
    body = {"model": "tiny/bge-tiny", "input": ["France Paris Tokyo " * 150] * 1500}
    with encoders.client() as http, pytest.raises(httpx.ReadTimeout):
        http.post("/v1/embeddings", json=body, timeout=httpx.Timeout(60, read=1.5))
    assert len(client.embeddings.create(model="tiny/bge-tiny", input="Hello").data) == 1
    with encoders.client() as http:

        def is_free() -> bool:
            running = http.get("/v1/manager/status").raise_for_status().json()
            (model,) = [each for each in running["loaded_models"] if each["id"] == "tiny/bge-tiny"]
            return (model["active"], model["queued"]) == (0, 0)

        # What was read of it aside is let go between two pieces.
        wait_until(is_free, what="the engine to be free")


def test_thousands_of_vectors_come_as_valid_json(encoders: Server) -> None:
    texts = [f"number {number}" for number in range(2500)]
    body = {"model": "tiny/MiniLM-tiny", "input": texts}
    floats = post(encoders, "/v1/embeddings", body).json()
    assert [each["index"] for each in floats["data"]] == list(range(2500))
    packed = post(encoders, "/v1/embeddings", {**body, "encoding_format": "base64"}).json()
    for one, other in zip(floats["data"], packed["data"], strict=True):
        assert list(struct.unpack("<64f", base64.b64decode(other["embedding"]))) == one["embedding"]
    local = post(encoders, "/api/embed", {"model": "tiny/MiniLM-tiny", "input": texts}).json()
    assert len(local["embeddings"]) == 2500
    assert local["prompt_eval_count"] == floats["usage"]["prompt_tokens"]


def test_a_model_that_writes_text_makes_no_vectors(encoders: Server, tmp_path: Path) -> None:
    answer = post(encoders, "/v1/chat/completions", {"model": "tiny/bge-tiny", "messages": []})
    assert answer.status_code == 400
    shown = json.loads(post(encoders, "/api/show", {"model": "tiny/bge-tiny"}).text)
    assert shown["capabilities"] == ["embedding"]
    older = post(encoders, "/api/generate", {"model": "tiny/bge-tiny", "prompt": "x"})
    assert older.status_code == 400


# That MLX keeps no buffer for each shape is seen of the engine every time.
@pytest.mark.soak
@pytest.mark.parametrize("requests", [200, 10_000])
def test_memory_does_not_grow_with_requests(encoders: Server, requests: int) -> None:
    def resident_bytes() -> int:
        with encoders.client() as http:
            status = http.get("/v1/manager/status").raise_for_status().json()
        (pid,) = [each["pid"] for each in status["loaded_models"] if each["id"] == "tiny/bge-tiny"]
        return psutil.Process(pid).memory_info().rss

    def ask(count: int) -> None:
        with encoders.client() as http:
            for number in range(count):
                texts = ["France Paris " * (1 + (number * 7 + each) % 60) for each in range(8)]
                body = {"model": "tiny/bge-tiny", "input": texts, "encoding_format": "base64"}
                http.post("/v1/embeddings", json=body).raise_for_status()

    ask(100)
    before_bytes = resident_bytes()
    ask(requests)
    # A buffer for each shape, kept for ever, would be hundreds of MB.
    assert resident_bytes() - before_bytes < 24 * 1024 * 1024
