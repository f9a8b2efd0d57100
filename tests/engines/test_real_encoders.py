"""Real embedding models: what is alike is near, by the numbers that other programs get."""

from collections.abc import Iterator

import pytest

from mlx_gui.kinds.embedding import EmbedRequest
from tests.encoders.driving import Engine, Vectors, numbers
from tests.encoders.real import e5, minilm
from tests.engines.remote import child


@pytest.fixture
def engine() -> Iterator[Engine]:
    with child() as process:
        yield Engine(process)


def likeness(vectors: Vectors, one: int, other: int) -> float:
    return sum(a * b for a, b in zip(vectors[one], vectors[other], strict=True))


def test_minilm_makes_the_vectors_of_its_reference(engine: Engine) -> None:
    texts = (
        "The cat sits on the mat.",
        "A kitten is resting on a rug.",
        "Stock markets fell sharply today.",
        "hello world",
    )
    vectors = numbers(engine.load(minilm()).answer(EmbedRequest(texts)))
    near = [likeness(vectors, 0, other) for other in (1, 2, 3)]
    assert near == pytest.approx([0.64113, 0.04622, -0.06884], abs=1e-3)
    assert vectors[3][:4] == pytest.approx([-0.034477, 0.031023, 0.006735, 0.026109], abs=1e-4)


def test_e5_finds_what_answers_in_several_languages(engine: Engine) -> None:
    answer = "the average protein requirement for women ages 19 to 70 is 46 grams per day."
    texts = (
        "query: how much protein should a female eat",
        f"passage: As a general guideline, {answer}",
        "passage: The Eiffel Tower is in Paris.",
        "passage: La tour Eiffel se trouve à Paris.",
    )
    vectors = numbers(engine.load(e5()).answer(EmbedRequest(texts)))
    near = [likeness(vectors, one, other) for one, other in ((0, 1), (0, 2), (2, 3))]
    assert near == pytest.approx([0.937, 0.705, 0.937], abs=1e-3)
