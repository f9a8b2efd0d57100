"""The official openai client's embeddings on a real server, of models that embed and others."""

import base64
import math
import struct
from collections.abc import Iterator
from typing import Any

import httpx
import openai
import pytest
from openai import OpenAI

from tests.support.server import Server

MODEL = "fake/embedding"


@pytest.fixture(scope="module")
def client(server: Server) -> Iterator[OpenAI]:
    with OpenAI(base_url=f"{server.address}/v1", api_key="none", max_retries=0) as client:
        yield client


def vectors(client: OpenAI, *texts: str, **more: Any) -> list[list[float]]:
    answer = client.embeddings.create(model=MODEL, input=list(texts), **more)
    assert [each.index for each in answer.data] == list(range(len(texts)))
    return [each.embedding for each in answer.data]


def likeness(one: list[float], other: list[float]) -> float:
    return sum(a * b for a, b in zip(one, other, strict=True))


def refused(client: OpenAI, **body: Any) -> dict[str, Any]:
    with pytest.raises(openai.BadRequestError) as refusal:
        client.embeddings.create(**{"model": MODEL, "input": "Hello", **body})
    assert isinstance(refusal.value.body, dict)
    return refusal.value.body


def loaded(server: Server) -> set[str]:
    status = httpx.get(f"{server.address}/v1/manager/status").raise_for_status().json()
    return {each["id"] for each in status["loaded_models"]}


def unload(server: Server, name: str) -> None:
    """Whoever asked it before, it is not in memory now."""
    with server.client() as http:
        http.post(f"/v1/models/{name}/unload").raise_for_status()


def test_a_chat_with_a_model_that_embeds_is_refused_before_it_is_loaded(
    client: OpenAI, server: Server
) -> None:
    unload(server, MODEL)
    with pytest.raises(openai.BadRequestError) as refusal:
        client.chat.completions.create(model=MODEL, messages=[{"role": "user", "content": "Hi"}])
    assert refusal.value.code == "capability_missing"
    assert "its capabilities are: embedding" in refusal.value.message
    assert MODEL not in loaded(server)


def test_embeddings_of_a_text_model_are_refused_before_it_is_loaded(
    client: OpenAI, server: Server
) -> None:
    unload(server, "fake/second")
    body = refused(client, model="fake/second")
    assert (body["code"], body["param"]) == ("capability_missing", "model")
    assert "fake/second cannot make vectors of texts" in body["message"]
    assert "fake/second" not in loaded(server)


def test_a_text_becomes_a_vector_of_length_one(client: OpenAI) -> None:
    answer = client.embeddings.create(model=MODEL, input="one two three")
    assert (answer.object, answer.model) == ("list", MODEL)
    assert (answer.usage.prompt_tokens, answer.usage.total_tokens) == (3, 3)
    (only,) = answer.data
    assert (only.object, len(only.embedding)) == ("embedding", 64)
    assert math.isclose(math.hypot(*only.embedding), 1, rel_tol=1e-6)


def test_an_answer_names_the_model_by_its_id(client: OpenAI) -> None:
    answer = client.embeddings.create(model=MODEL.rpartition("/")[2], input="one")
    assert answer.model == MODEL


def test_the_same_text_has_the_same_vector_and_a_like_one_is_nearer_than_another(
    client: OpenAI,
) -> None:
    text, again, like, other = vectors(
        client, "a red fox runs", "a red fox runs", "a red fox sleeps", "quarterly tax report"
    )
    assert text == again
    assert likeness(text, again) > likeness(text, like) > likeness(text, other)


def test_floats_and_base64_are_the_same_vectors(server: Server) -> None:
    def embedding(encoding_format: str) -> Any:
        body = {"model": MODEL, "input": ["one"], "encoding_format": encoding_format}
        answer = httpx.post(f"{server.address}/v1/embeddings", json=body).raise_for_status()
        return answer.json()["data"][0]["embedding"]

    packed = base64.b64decode(embedding("base64"))
    assert list(struct.unpack("<64f", packed)) == embedding("float")


def test_vectors_are_as_short_as_they_are_asked_for(client: OpenAI) -> None:
    (short,) = vectors(client, "one two", dimensions=8)
    assert len(short) == 8
    assert math.isclose(math.hypot(*short), 1, rel_tol=1e-6)


def test_token_ids_are_read_alone_and_in_lists(client: OpenAI) -> None:
    alone = client.embeddings.create(model=MODEL, input=[1, 2, 3])
    several = client.embeddings.create(model=MODEL, input=[[1, 2, 3], [4]])
    assert alone.usage.prompt_tokens == 3
    assert several.usage.prompt_tokens == 4
    assert several.data[0].embedding == alone.data[0].embedding


def test_many_inputs_come_back_in_their_order(client: OpenAI) -> None:
    texts = [f"text number {index}" for index in range(300)]
    together = vectors(client, *texts)
    assert together[123] == vectors(client, texts[123])[0]


@pytest.mark.parametrize(
    ("body", "param", "said"),
    [
        ({"input": ""}, "input", "Input 0 is empty."),
        ({"input": []}, "input", "at least 1 input"),
        ({"input": ["one", ""]}, "input", "Input 1 is empty."),
        ({"input": ["x"] * 100_001}, "input", "at most 16384 inputs, not 100001"),
        ({"input": [1, -1]}, "input", "token ids"),
        ({"dimensions": 0}, "dimensions", "between 1 and"),
        ({"dimensions": 65}, "dimensions", "makes vectors of 64 dimensions, not 65"),
        ({"encoding_format": "hex"}, "encoding_format", "'float' or 'base64'"),
        ({"extra_body": {"truncate": "START"}}, "truncate", "true, false, 'END' or 'NONE', not"),
        ({"input": "word " * 513}, "input", "513 tokens, the model reads 512"),
    ],
)
def test_what_cannot_be_embedded_is_refused_in_openais_shape(
    client: OpenAI, body: dict[str, Any], param: str, said: str
) -> None:
    error = refused(client, **body)
    assert error["type"] == "invalid_request_error"
    assert error["param"] == param
    assert said in error["message"]


def test_an_embedding_model_is_listed_loaded_and_unloaded_like_any_other(
    client: OpenAI, server: Server
) -> None:
    vectors(client, "Hello")
    with httpx.Client(base_url=server.address) as http:
        shown = http.get(f"/v1/models/{MODEL}").raise_for_status().json()
        assert (shown["kind"], shown["capabilities"]) == ("embedding", ["embedding"])
        assert (shown["context_length"], shown["max_model_len"]) == (None, None)
        status = http.get("/v1/manager/status").raise_for_status().json()
        (model,) = [each for each in status["loaded_models"] if each["id"] == MODEL]
        assert (model["slots"], model["context"]) == (32, None)
        running = http.get("/api/ps").raise_for_status().json()["models"]
        assert MODEL in {each["name"] for each in running}
        assert http.post("/api/show", json={"model": MODEL}).json()["capabilities"] == ["embedding"]
        plan = http.post(f"/v1/models/{MODEL}/plan", json={}).raise_for_status().json()
        assert (plan["fits"], plan["needs"]["kv_bytes"]) == ("yes", 0)
        assert http.post(f"/v1/models/{MODEL}/unload").status_code == 200
    assert MODEL not in loaded(server)
