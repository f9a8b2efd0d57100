"""The engine for rerankers, against the plain library on tiny models of each family."""

from collections.abc import Iterator
from typing import Any

import pytest

from mlx_gui.core.errors import CapabilityMissing, ContextTooLong
from mlx_gui.core.generation import Prepared
from mlx_gui.kinds.embedding import EmbedRequest
from mlx_gui.kinds.reranker import RerankRequest
from tests.encoders.cache import encoder
from tests.encoders.driving import Engine, numbers, plain_judgements, plain_scores
from tests.encoders.families import JUDGES, RERANKERS
from tests.engines.remote import child

QUERY = "What is the capital of France?"
DOCUMENTS = (
    "The capital of France is Paris.",
    "Hello",
    "My name is Ada, and this is a longer document about nothing that was asked for at all.",
    "",
)


@pytest.fixture(scope="module")
def engine() -> Iterator[Engine]:
    with child() as process:
        yield Engine(process)


def scores(engine: Engine, *documents: str, query: str = QUERY, **more: Any) -> list[float]:
    return [each for (each,) in numbers(engine.answer(RerankRequest(query, documents, **more)))]


@pytest.mark.parametrize("name", RERANKERS)
def test_each_family_scores_as_the_plain_library(name: str, engine: Engine) -> None:
    ours = scores(engine.load(encoder(name)), *DOCUMENTS)
    plain = engine.child.call(plain_scores, encoder(name), QUERY, DOCUMENTS)
    assert ours == pytest.approx(plain, abs=1e-5)
    assert len({round(each, 6) for each in ours}) == len(ours)
    alone = [scores(engine, document)[0] for document in DOCUMENTS]
    assert alone == pytest.approx(ours, abs=1e-5)


# As the card of Qwen3-Reranker has it.
BEFORE = (
    "<|im_start|>system\nJudge whether the Document meets the requirements based on the Query and "
    'the Instruct provided. Note that the answer can only be "yes" or "no".<|im_end|>\n'
    "<|im_start|>user\n"
)
BEHIND = "<|im_end|>\n<|im_start|>assistant\n<think>\n\n</think>\n\n"
USUAL = "Given a web search query, retrieve relevant passages that answer the query"


@pytest.mark.parametrize("name", JUDGES)
@pytest.mark.parametrize("instruction", [None, "Find what is about capitals"])
def test_a_chat_that_says_yes_or_no_scores_by_the_chance_of_yes(
    name: str, instruction: str | None, engine: Engine
) -> None:
    engine.load(encoder(name))
    asked = [
        f"<Instruct>: {instruction or USUAL}\n<Query>: {QUERY}\n<Document>: {document}"
        for document in DOCUMENTS
    ]

    plain = engine.child.call(plain_judgements, encoder(name), asked, BEFORE, BEHIND)

    assert scores(engine, *DOCUMENTS, instruction=instruction) == pytest.approx(plain, abs=1e-5)


def test_what_stands_in_a_document_ends_no_turn_of_the_chat(engine: Engine) -> None:
    engine.load(encoder("Qwen3-Reranker-tiny"))

    def tokens(document: str) -> int:
        told = engine.admit(document, RerankRequest(QUERY, (document,)))
        assert isinstance(told, Prepared)
        engine.drain()
        return told.prompt_tokens

    assert tokens("<|im_end|>") > tokens("Hello") + 1


@pytest.mark.parametrize("name", ["bert-reranker-tiny", "embeddinggemma-tiny"])
def test_an_instruction_is_left_out_by_models_that_know_none(name: str, engine: Engine) -> None:
    engine.load(encoder(name))
    told = engine.admit("one", RerankRequest(QUERY, ("Hello",), instruction="Look for towns"))
    assert isinstance(told, Prepared)
    assert told.left_out == ("instruction",)
    engine.drain()


@pytest.mark.parametrize("name", [*RERANKERS, *JUDGES])
def test_too_long_a_document_is_refused_or_cut_and_the_query_stays(
    name: str, engine: Engine
) -> None:
    engine.load(encoder(name), context_tokens=512 if name in JUDGES else 64)
    long = "Paris France Tokyo " * 200
    with pytest.raises(ContextTooLong, match="Document 1 has"):
        engine.admit("long", RerankRequest(QUERY, ("Hello", long), truncate=False))
    told = engine.admit("cut", RerankRequest(QUERY, ("Hello", long), truncate=True))
    assert isinstance(told, Prepared)
    assert told.left_out[0].endswith("tokens of documents 1")
    (hello,), (cut,) = numbers(engine.drain()["cut"])
    assert scores(engine, "Hello") == pytest.approx([hello], abs=1e-5)
    assert cut != scores(engine, long, query="My name is Ada.", truncate=True)[0]
    with pytest.raises(ContextTooLong, match="The query has"):
        engine.admit("query", RerankRequest(long, ("Hello",), truncate=True))


def test_an_embedding_model_compares_vectors(engine: Engine) -> None:
    engine.load(encoder("embeddinggemma-tiny"))
    by_cosine = scores(engine, *DOCUMENTS)
    before = "title: none | text: "
    asked = EmbedRequest(tuple(before + each for each in DOCUMENTS))
    documents = numbers(engine.answer(asked))
    (query,) = numbers(engine.answer(EmbedRequest((QUERY,), purpose="query")))
    expected = [sum(a * b for a, b in zip(query, each, strict=True)) for each in documents]
    assert by_cosine == pytest.approx(expected, abs=1e-5)
    with pytest.raises(ContextTooLong, match="The query has") as refusal:
        engine.admit("query", RerankRequest("Paris " * 3000, ("Hello",), truncate=True))
    assert (refusal.value.details["param"], "truncate" in refusal.value.hint) == ("query", False)


def test_requests_share_batches_and_one_that_is_cancelled_leaves(engine: Engine) -> None:
    engine.load(encoder("bert-reranker-tiny"))
    engine.admit("large", RerankRequest(QUERY, ("Paris is large. " * 20,) * 500))
    engine.step()
    engine.admit("small", RerankRequest(QUERY, ("Hello",)))
    assert any("small" in engine.step() for _ in range(2))
    engine.call("cancel", "large")
    assert not engine.call("busy")


def test_a_request_of_another_kind_is_refused(engine: Engine) -> None:
    engine.load(encoder("bert-reranker-tiny"))
    with pytest.raises(CapabilityMissing):
        engine.admit("vectors", EmbedRequest(("Hello",)))
