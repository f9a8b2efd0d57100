"""How long texts are known to be too long."""

import pytest

from mlx_gui.core.errors import InvalidRequest
from mlx_gui.engines.text.lengths import (
    MAX_TOKENIZED_CHARACTERS,
    check_tokenized,
    tokens_if_too_long,
)

LIMIT = 100


class Words:
    """A tokenizer that has a token for each word, and counts the characters that it has read."""

    def __init__(self) -> None:
        self.read = 0

    def encode(self, text: str) -> list[int]:
        self.read += len(text)
        return [0] * len(text.split())


@pytest.mark.parametrize("length", [1, 3, 7, 30])
def test_of_a_text_that_is_much_too_long_only_the_beginning_is_read(length: int) -> None:
    words = Words()
    text = ("x" * length + " ") * 1_000_000
    tokens = tokens_if_too_long(text, LIMIT, encode=words.encode)
    assert tokens == pytest.approx(1_000_000, rel=0.1)
    assert words.read <= 42 * LIMIT


def test_what_fits_or_nearly_does_is_read_whole() -> None:
    words = Words()
    for text in ("x " * LIMIT, "x " * 2 * LIMIT, "x" * 10_000, " " * 100_000):
        assert tokens_if_too_long(text, LIMIT, encode=words.encode) is None


def test_tokens_are_told_of_texts_of_some_length_only() -> None:
    check_tokenized("x" * MAX_TOKENIZED_CHARACTERS)
    with pytest.raises(InvalidRequest, match="1000001 characters"):
        check_tokenized("x" * (MAX_TOKENIZED_CHARACTERS + 1))
