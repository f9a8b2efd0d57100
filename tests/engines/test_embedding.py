"""The engine for embedding models, against the plain library on tiny models of each family."""

import math
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from mlx_gui.core.errors import CapabilityMissing, ContextTooLong, InvalidRequest
from mlx_gui.core.generation import Failed, GenerateRequest, Prepared, Usage
from mlx_gui.kinds.embedding import EmbedRequest
from mlx_gui.kinds.reranker import RerankRequest
from tests.encoders.cache import encoder
from tests.encoders.driving import (
    Engine,
    Vectors,
    numbers,
    plain_vectors,
    tokens_with_others_between,
)
from tests.encoders.families import FAMILIES, JUDGES, RERANKERS, WIDE
from tests.engines.remote import child
from tests.support.soak import mostly_in_soak

TEXTS = (
    "What is the capital of France?",
    "Hello",
    "The capital of France is Paris, and that of Japan is Tokyo; both have many people in them.",
    "My name is Ada.",
)
OTHERS = {"dense-tiny", "lost-tiny", "embeddinggemma-tiny-window", *RERANKERS, *JUDGES}
LIKE_THE_LIBRARY = sorted({*FAMILIES} - OTHERS)


@pytest.fixture(scope="module")
def engine() -> Iterator[Engine]:
    with child() as process:
        yield Engine(process)


def embed(engine: Engine, *texts: str, **more: Any) -> Vectors:
    return numbers(engine.answer(EmbedRequest(texts, **more)))


def difference(one: Vectors, other: Vectors) -> float:
    assert [len(each) for each in one] == [len(each) for each in other]
    pairs = zip(one, other, strict=True)
    return max(abs(a - b) for left, right in pairs for a, b in zip(left, right, strict=True))


@pytest.mark.parametrize("name", LIKE_THE_LIBRARY)
def test_each_family_makes_the_vectors_of_the_plain_library(name: str, engine: Engine) -> None:
    ours = embed(engine.load(encoder(name)), *TEXTS)
    plain = engine.child.call(plain_vectors, encoder(name), TEXTS)
    assert difference(ours, plain) < 1e-5
    assert len(ours[0]) == (WIDE if name.endswith("wide") else 64)


@pytest.mark.parametrize(
    "name", mostly_in_soak(LIKE_THE_LIBRARY, but=("MiniLM-tiny", "Qwen3-Embedding-tiny"))
)
def test_a_vector_does_not_depend_on_what_is_read_beside_it(name: str, engine: Engine) -> None:
    engine.load(encoder(name))
    together = engine.answers({str(n): EmbedRequest((text,)) for n, text in enumerate(TEXTS)})
    alone = [embed(engine, text)[0] for text in TEXTS]
    assert difference([numbers(together[str(n)])[0] for n in range(len(TEXTS))], alone) < 1e-5


def test_requests_that_come_together_share_a_batch(engine: Engine) -> None:
    engine.load(encoder("MiniLM-tiny"))
    for number in range(16):
        engine.admit(str(number), EmbedRequest((f"text {number}",)))
    assert len(engine.step()) == 16
    assert not engine.call("busy")


def test_a_small_request_is_answered_beside_a_large_one_within_two_steps(engine: Engine) -> None:
    engine.load(encoder("MiniLM-tiny"))
    large = engine.admit("large", EmbedRequest(("France Paris " * 20,) * 2000))
    engine.step()
    engine.admit("small", EmbedRequest(("Hello",)))
    told = [engine.step(), engine.step()]
    assert any(isinstance(each.get("small", [None])[-1], Usage) for each in told)
    # And what is cancelled is gone at once.
    (cancelled,) = engine.call("cancel", "large")
    assert isinstance(large, Prepared)
    assert cancelled.events == (Usage(large.prompt_tokens, 0),)
    assert not engine.call("busy")
    assert engine.step() == {}


def test_a_step_reads_no_more_than_the_budget_and_frames_stay_small(engine: Engine) -> None:
    engine.load(encoder("MiniLM-tiny"))
    engine.admit("large", EmbedRequest(tuple("France Paris " * 20 for _ in range(200))))
    sizes: list[int] = []
    while engine.call("busy"):
        sizes += [len(events) for events in engine.step().values()]
    assert sum(sizes) == 201
    assert max(sizes) <= 1024 // 42 + 1


def test_fewer_dimensions_are_the_first_ones_made_as_long_as_one(engine: Engine) -> None:
    engine.load(encoder("bge-tiny"))
    (whole,), (short,) = embed(engine, "Hello"), embed(engine, "Hello", dimensions=8)
    length = math.hypot(*whole[:8])
    assert difference([[each / length for each in whole[:8]]], [short]) < 1e-6
    with pytest.raises(InvalidRequest, match="vectors of 64 dimensions, not 65"):
        engine.admit("too many", EmbedRequest(("Hello",), 65))


def test_layers_behind_the_pooling_are_applied_and_lengths_left_as_they_are(
    engine: Engine,
) -> None:
    engine.load(encoder("dense-tiny"))
    (vector,) = embed(engine, "Hello")
    assert len(vector) == 32
    assert abs(math.hypot(*vector) - 1) > 0.1
    (unit,) = embed(engine, "Hello", normalize=True)
    assert math.isclose(math.hypot(*unit), 1, rel_tol=1e-6)
    assert difference([[each / math.hypot(*vector) for each in vector]], [unit]) < 1e-6
    expected = engine.child.call(_dense_by_hand, encoder("dense-tiny"), "Hello")
    assert difference([vector], [expected]) < 1e-5


def _dense_by_hand(folder: Any, text: str) -> list[float]:
    import mlx.core as mx
    from mlx_vlm.embedding_loader import load_embedding_model

    from mlx_gui.engines.encoder.loading import load_encoder
    from tests.encoders.driving import spec_of

    encoder = load_encoder(spec_of(folder), lambda *_: None, load_embedding_model)
    ids = mx.array([encoder.tokenizer.encode(text).ids])
    mean = encoder.model(ids).last_hidden_state[0].mean(axis=0)
    layer: Any = mx.load(str(folder / "2_Dense" / "model.safetensors"))
    return mx.tanh(layer["linear.weight"] @ mean + layer["linear.bias"]).tolist()


@pytest.mark.parametrize("pooling", ["cls", "max", "lasttoken", "weightedmean", "mean_sqrt_len"])
def test_a_setting_says_how_to_pool_where_the_files_do_not(pooling: str, engine: Engine) -> None:
    ours = embed(engine.load(encoder("lost-tiny"), pooling=pooling), *TEXTS)
    by_hand = [engine.child.call(_pooled_by_hand, encoder("lost-tiny"), t, pooling) for t in TEXTS]
    assert difference(ours, by_hand) < 1e-5


def _pooled_by_hand(folder: Any, text: str, pooling: str) -> list[float]:
    import numpy as np
    from mlx_vlm.embedding_loader import load_embedding_model

    from mlx_gui.engines.encoder.loading import load_encoder
    from tests.encoders.driving import spec_of

    encoder = load_encoder(spec_of(folder, pooling="cls"), lambda *_: None, load_embedding_model)
    import mlx.core as mx

    ids = mx.array([encoder.tokenizer.encode(text).ids])
    tokens = np.array(encoder.model(ids).last_hidden_state[0])
    places = np.arange(1, len(tokens) + 1)[:, None]
    vector = {
        "cls": tokens[0],
        "lasttoken": tokens[-1],
        "max": tokens.max(axis=0),
        "weightedmean": (tokens * places).sum(axis=0) / places.sum(),
        "mean_sqrt_len": tokens.sum(axis=0) / np.sqrt(len(tokens)),
    }[pooling]
    return (vector / np.linalg.norm(vector)).tolist()


def test_gemmas_layers_with_a_window_see_no_further_than_half_of_it(engine: Engine) -> None:
    """Its window of 64 lets a token see 32 to either side; the full layer is the third."""
    seen = engine.child.call(_far_token_changes, encoder("embeddinggemma-tiny-window"))
    assert seen == {"within": True, "beyond": False, "padding": True}


def _far_token_changes(folder: Any) -> dict[str, bool]:
    import mlx.core as mx
    import numpy as np
    from mlx_vlm.embedding_loader import load_embedding_model

    from mlx_gui.engines.embedding.tokens import token_vectors
    from mlx_gui.engines.encoder.engine import Rows
    from mlx_gui.engines.encoder.loading import load_encoder
    from tests.encoders.driving import spec_of

    encoder = load_encoder(spec_of(folder), lambda *_: None, load_embedding_model)
    # With the two layers alone that have a window; each of them carries 32 tokens further.
    encoder.model.model.layers = encoder.model.model.layers[:2]

    def first(ids: list[int], padded: int = 0) -> Any:
        row = np.array([[*ids, *[0] * padded]], dtype=np.int32)
        mask = np.array([[1] * len(ids) + [0] * padded], dtype=np.int32)
        rows = Rows(mx.array(row), mx.array(mask), mx.array([len(ids)]), None)
        return np.array(token_vectors(encoder.model, rows))[0, 0]

    usual = [7] * 200
    return {
        "within": bool(np.abs(first([*usual[:60], 9, *usual[61:]]) - first(usual)).max() > 1e-6),
        "beyond": bool(np.abs(first([*usual[:65], 9, *usual[66:]]) - first(usual)).max() > 1e-6),
        "padding": bool(np.abs(first(usual, padded=90) - first(usual)).max() < 1e-6),
    }


@pytest.mark.parametrize(
    ("asked", "before"),
    [
        ({}, ""),
        ({"prompt": "query"}, "task: search result | query: "),
        ({"purpose": "query"}, "task: search result | query: "),
        ({"purpose": "search_query"}, "task: search result | query: "),
        ({"purpose": "passage"}, "title: none | text: "),
        ({"purpose": "search_document"}, "title: none | text: "),
    ],
)
def test_a_models_prompts_stand_before_its_texts(
    asked: dict[str, str], before: str, engine: Engine
) -> None:
    engine.load(encoder("embeddinggemma-tiny"))
    assert embed(engine, "Hello", **asked) == embed(engine, before + "Hello")


def test_prompts_that_were_set_are_known_too(engine: Engine) -> None:
    engine.load(encoder("bge-tiny"), prompts={"query": "query: "})
    assert embed(engine, "Hello", prompt="query") == embed(engine, "query: Hello")


def test_an_unknown_prompt_is_refused_and_an_unknown_purpose_told(engine: Engine) -> None:
    engine.load(encoder("bge-tiny"))
    with pytest.raises(InvalidRequest, match="no prompt 'query'; its prompts are: none"):
        engine.admit("prompt", EmbedRequest(("Hello",), prompt="query"))
    told = engine.admit("purpose", EmbedRequest(("Hello",), purpose="clustering"))
    assert isinstance(told, Prepared)
    assert told.left_out == ("input_type",)
    engine.drain()


def test_too_long_a_text_is_refused_or_cut_with_its_end_kept(engine: Engine) -> None:
    engine.load(encoder("MiniLM-tiny"))
    long = "France " * 127
    with pytest.raises(ContextTooLong, match="Input 1 has 129 tokens, the model reads 128"):
        engine.admit("long", EmbedRequest(("Hello", long)))
    told = engine.admit("cut", EmbedRequest(("Hello", long), truncate=True))
    assert isinstance(told, Prepared)
    assert told.left_out == ("1 tokens of input 1",)
    cut = numbers(engine.drain()["cut"])
    assert difference(cut, embed(engine, "Hello", "France " * 126)) < 1e-5


@pytest.mark.parametrize("text", ["France " * 300_000, "a " * 1_500_000])
def test_a_text_of_millions_of_characters_is_refused_or_cut_by_its_beginning(
    text: str, engine: Engine
) -> None:
    engine.load(encoder("MiniLM-tiny"), truncate=True)
    with pytest.raises(ContextTooLong, match="Input 0 has"):
        engine.admit("long", EmbedRequest((text,), truncate=False))
    assert len(embed(engine, text)) == 1


@pytest.mark.parametrize(
    "long",
    [
        EmbedRequest(("What is the capital of France?" * 3,) * 2048, truncate=True),
        EmbedRequest(("France " * 20_000,), truncate=True),
        RerankRequest("Paris " * 20, ("Hello",) * 1000, truncate=True),
    ],
    ids=["many", "one", "pairs"],
)
def test_others_are_prepared_while_a_request_of_many_characters_is_read(
    long: EmbedRequest | RerankRequest, engine: Engine
) -> None:
    engine.load(encoder("MiniLM-tiny"))
    short = EmbedRequest(("Hello",))
    alone = engine.admit("alone", short)
    engine.drain()
    small, large = engine.child.call(tokens_with_others_between, long, short)
    assert isinstance(alone, Prepared)
    assert small == alone.prompt_tokens
    assert large > small
    # It was read once: who sends it anew is somebody else.
    again = engine.admit("again", long)
    assert isinstance(again, Prepared)
    assert again.prompt_tokens == large
    engine.call("cancel", "again")


def test_token_ids_are_read_as_they_are(engine: Engine) -> None:
    engine.load(encoder("MiniLM-tiny"))
    ids = engine.child.call(_ids_of, encoder("MiniLM-tiny"), "Hello")
    assert numbers(engine.answer(EmbedRequest((ids,)))) == embed(engine, "Hello")


def test_texts_among_token_ids_are_named_by_their_place(engine: Engine) -> None:
    engine.load(encoder("MiniLM-tiny"))
    ids = engine.child.call(_ids_of, encoder("MiniLM-tiny"), "Hello")
    long = "France " * 127
    with pytest.raises(ContextTooLong, match="Input 1 has 129 tokens"):
        engine.admit("long", EmbedRequest((ids, long)))
    told = engine.admit("cut", EmbedRequest((ids, long, "Hello"), truncate=True))
    assert isinstance(told, Prepared)
    assert told.left_out == ("1 tokens of input 1",)
    first, _, last = numbers(engine.drain()["cut"])
    assert first == last


def _ids_of(folder: Any, text: str) -> tuple[int, ...]:
    from transformers import AutoTokenizer

    tokenizer: Any = AutoTokenizer.from_pretrained(folder)
    return tuple(tokenizer(text)["input_ids"])


@pytest.mark.parametrize("ids", [(999_999,), (2**31 - 1,), (5, -1)])
def test_ids_that_the_model_lacks_are_refused_before_mlx_sees_them(
    ids: tuple[int, ...], engine: Engine
) -> None:
    engine.load(encoder("MiniLM-tiny"))
    with pytest.raises(InvalidRequest, match="no token"):
        engine.admit("ids", EmbedRequest((ids,)))
    assert len(embed(engine, "Hello")) == 1


def test_too_many_ids_are_refused_or_cut(engine: Engine) -> None:
    engine.load(encoder("MiniLM-tiny"))
    ids = (105,) * 200
    with pytest.raises(ContextTooLong, match="200 tokens"):
        engine.admit("ids", EmbedRequest((ids,)))
    cut = numbers(engine.answer(EmbedRequest((ids,), truncate=True)))
    assert cut == numbers(engine.answer(EmbedRequest((ids[:128],))))


def test_a_request_of_another_kind_is_refused(engine: Engine) -> None:
    engine.load(encoder("MiniLM-tiny"))
    with pytest.raises(CapabilityMissing):
        engine.admit("chat", GenerateRequest(messages=()))


def test_mlx_keeps_no_more_than_its_budget_after_a_batch(engine: Engine) -> None:
    engine.load(encoder("MiniLM-tiny"))
    for round_ in range(5):
        texts = tuple("France Paris " * (1 + (each + round_) % 60) for each in range(100))
        engine.answer(EmbedRequest(texts))
        assert engine.call("memory").cache_bytes <= 1 << 25


def test_who_would_get_no_numbers_is_told_so_and_others_get_theirs(
    engine: Engine, tmp_path: Path
) -> None:
    folder = tmp_path / "MiniLM-tiny"
    shutil.copytree(encoder("MiniLM-tiny"), folder)
    engine.child.call(_lose_token, folder, 105)
    engine.load(folder)
    bad, good = EmbedRequest(((7, 8), (9, 105), (7, 9))), EmbedRequest(((7, 8),))
    answers = engine.answers({"bad": bad, "good": good})
    (failed,) = (event for event in answers["bad"] if isinstance(event, Failed))
    assert answers["bad"][-1] is failed
    assert failed.error.code == "worker_failed"
    assert "no numbers of input 1" in failed.error.message
    assert difference(numbers(answers["good"]), numbers(engine.answer(good))) < 1e-6
    assert not engine.call("busy")


def _lose_token(folder: Path, id: int) -> None:
    """In the child: the vector of one token is no numbers any more."""
    import mlx.core as mx

    path = str(folder / "model.safetensors")
    weights: Any = mx.load(path)
    (name,) = (name for name in weights if "word_embeddings" in name)
    weights[name][id] = mx.nan
    mx.eval(weights)
    mx.save_safetensors(path, weights, metadata={"format": "mlx"})
