"""Text out of token ids, bit by bit."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tokenizers import Tokenizer

from mlx_gui.engines.text.detokenizing import TextStream
from tests.zoo.cache import checkpoint

INCOMPLETE = "\N{REPLACEMENT CHARACTER}"
LETTERS = st.characters(exclude_categories=["Cs"])


@pytest.fixture(scope="module", params=["Qwen3-tiny", "gemma-3-text-tiny"])
def tokenizer(request: pytest.FixtureRequest) -> Tokenizer:
    """One of byte-level BPE, one of sentencepiece with bytes as tokens of their own."""
    return Tokenizer.from_file(str(checkpoint(request.param) / "tokenizer.json"))


def pieces(tokenizer: Tokenizer, ids: list[int]) -> list[str]:
    stream = TextStream(tokenizer.decode)
    return [*map(stream.add, ids), stream.finish()]


@given(text=st.text(LETTERS, max_size=40))
def test_text_comes_back_whole_and_no_character_is_split(tokenizer: Tokenizer, text: str) -> None:
    ids = tokenizer.encode(text, add_special_tokens=False).ids
    told = pieces(tokenizer, ids)
    assert "".join(told) == tokenizer.decode(ids)
    assert INCOMPLETE in text or not any(INCOMPLETE in piece for piece in told)


def test_bytes_that_never_become_a_character_show_at_the_end(tokenizer: Tokenizer) -> None:
    ids = tokenizer.encode("🦊", add_special_tokens=False).ids
    assert len(ids) > 1
    assert pieces(tokenizer, ids) == [*[""] * (len(ids) - 1), "🦊", ""]
    cut = pieces(tokenizer, ids[:-1])
    assert not any(cut[:-1])
    assert set(cut[-1]) == {INCOMPLETE}


def test_special_tokens_and_ids_without_a_token_do_not_read(tokenizer: Tokenizer) -> None:
    added = tokenizer.get_added_tokens_decoder()
    special = next(index for index, token in added.items() if token.special)
    ids = tokenizer.encode("a b", add_special_tokens=False).ids
    mixed = [special, ids[0], 10_000_000, *ids[1:], special]
    assert "".join(pieces(tokenizer, mixed)) == tokenizer.decode(ids)
