"""`/v1/rerank` and `/v2/rerank` on tiny models, and what of a request is refused."""

from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from tests.encoders.cache import encoder
from tests.support.server import running_server

RERANKER, EMBEDDER = "tiny/bert-reranker-tiny", "tiny/MiniLM-tiny"
DOCUMENTS = ["Hello", "The capital of France is Paris.", "My name is Ada."]


@pytest.fixture(scope="module")
def http(tmp_path_factory: pytest.TempPathFactory) -> Iterator[httpx.Client]:
    folder = tmp_path_factory.mktemp("rerankers")
    models = folder / "models" / "tiny"
    models.mkdir(parents=True)
    for name in (RERANKER, EMBEDDER):
        name = name.rpartition("/")[2]
        (models / name).symlink_to(encoder(name))
    settings = {"model_dirs": folder / "models"}
    with running_server(folder, engine="mlx", settings=settings) as server, server.client() as http:
        yield http


def rerank(http: httpx.Client, *, path: str = "/v1/rerank", **body: Any) -> httpx.Response:
    asked = {"model": RERANKER, "query": "capital of France", "documents": DOCUMENTS, **body}
    return http.post(path, json={name: value for name, value in asked.items() if value != "-"})


def test_the_best_come_first_with_their_places(http: httpx.Client) -> None:
    body = rerank(http).raise_for_status().json()
    scores = [each["relevance_score"] for each in body["results"]]
    assert sorted(scores, reverse=True) == scores
    assert sorted(each["index"] for each in body["results"]) == [0, 1, 2]
    assert all(0 <= score <= 1 and set(each) == {"index", "relevance_score"}
               for score, each in zip(scores, body["results"], strict=True))  # fmt: skip
    assert (body["model"], body["object"]) == (RERANKER, "list")
    assert body["meta"] == {"api_version": {"version": "1"}, "scored_by": "reranker"}
    assert body["usage"]["total_tokens"] == body["usage"]["prompt_tokens"] > 10


def test_documents_may_be_objects_and_come_back_where_that_is_wanted(http: httpx.Client) -> None:
    plain = rerank(http, return_documents=True, top_n=2).json()["results"]
    objects = [{"text": each, "id": 3} for each in DOCUMENTS]
    again = rerank(
        http, documents=objects, query={"text": "capital of France"}, return_documents=True, top_n=2
    )
    assert again.json()["results"] == plain
    assert len(plain) == 2
    assert all(each["document"] == {"text": DOCUMENTS[each["index"]]} for each in plain)


def test_the_second_version_answers_the_same(http: httpx.Client) -> None:
    one, two = rerank(http).json(), rerank(http, path="/v2/rerank").json()
    assert two["results"] == one["results"]
    assert two["meta"]["api_version"] == {"version": "2"}


def test_an_embedding_model_compares_and_says_so(http: httpx.Client) -> None:
    body = rerank(http, model=EMBEDDER).raise_for_status().json()
    assert body["meta"]["scored_by"] == "cosine"
    asked = {"model": EMBEDDER, "input": [*DOCUMENTS, "capital of France"]}
    vectors = [each["embedding"] for each in http.post("/v1/embeddings", json=asked).json()["data"]]
    query = vectors.pop()
    for each in body["results"]:
        cosine = sum(a * b for a, b in zip(vectors[each["index"]], query, strict=True))
        assert each["relevance_score"] == pytest.approx(cosine, abs=1e-5)


def test_what_is_too_long_is_cut_and_told_unless_it_is_to_be_refused(http: httpx.Client) -> None:
    long = [*DOCUMENTS, "France " * 3000]
    cut = rerank(http, documents=long, max_tokens_per_doc=4).raise_for_status()
    assert len(cut.json()["results"]) == 4
    assert "tokens of documents 3" in cut.headers["x-mlx-gui-left-out"]
    assert "max_tokens_per_doc" in cut.headers["x-mlx-gui-left-out"]
    for never in (False, "NONE"):
        refused = rerank(http, documents=long, truncate=never)
        assert (refused.status_code, refused.json()["error"]["param"]) == (400, "documents")


@pytest.mark.parametrize(
    ("body", "param"),
    [
        ({"documents": []}, "documents"),
        ({"documents": "-"}, "documents"),
        ({"documents": "Hello"}, "documents"),
        ({"documents": ["x", 3]}, "documents"),
        ({"documents": [["x"]]}, "documents"),
        ({"documents": [{"title": "x"}]}, "documents"),
        ({"documents": ["x"] * 100_001}, "documents"),
        ({"query": ""}, "query"),
        ({"query": "-"}, "query"),
        ({"query": ["x"]}, "query"),
        ({"query": "France " * 3000}, "query"),
        ({"top_n": 0}, "top_n"),
        ({"top_n": "2"}, "top_n"),
        ({"return_documents": 1}, "return_documents"),
        ({"truncate": "START"}, "truncate"),
    ],
)
def test_bad_input_is_a_clear_400_and_the_worker_answers_the_next_one(
    http: httpx.Client, body: dict[str, Any], param: str
) -> None:
    answer = rerank(http, **body)
    assert answer.status_code == 400, answer.text
    assert answer.json()["error"]["param"].partition(".")[0] == param
    assert rerank(http).status_code == 200


def test_a_reranker_neither_chats_nor_makes_vectors(http: httpx.Client) -> None:
    said = [{"role": "user", "content": "x"}]
    chat = http.post("/v1/chat/completions", json={"model": RERANKER, "messages": said})
    vectors = http.post("/v1/embeddings", json={"model": RERANKER, "input": "x"})
    for answer in (chat, vectors):
        assert (answer.status_code, answer.json()["error"]["code"]) == (400, "capability_missing")
    shown = http.get(f"/v1/models/{RERANKER}").json()
    assert (shown["kind"], shown["capabilities"]) == ("reranker", ["reranking"])
