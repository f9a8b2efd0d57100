"""Whether the file of a tokenizer has the tokens that fill a gap."""

import json

import pytest

from mlx_gui.core.fill_tokens import FILL_TOKENS, FillTokens, names_fill_tokens


def tokenizer(*added: str, vocabulary: tuple[str, ...] = (), ascii_only: bool = False) -> bytes:
    """As the library writes it: what was added first, then the vocabulary."""
    written = {
        "added_tokens": [{"id": number, "content": each} for number, each in enumerate(added)],
        "model": {"vocab": {each: number for number, each in enumerate(vocabulary)}},
    }
    return json.dumps(written, ensure_ascii=ascii_only).encode()


@pytest.mark.parametrize("family", FILL_TOKENS, ids=lambda each: each.before)
@pytest.mark.parametrize("ascii_only", [True, False])
def test_every_family_is_known_by_its_tokens(family: FillTokens, *, ascii_only: bool) -> None:
    assert names_fill_tokens(tokenizer("<s>", *family.marks, ascii_only=ascii_only))
    assert not names_fill_tokens(tokenizer("<s>", *family.marks[1:], ascii_only=ascii_only))


def test_a_vocabulary_without_added_tokens_before_it_is_looked_at() -> None:
    marks = dict.fromkeys(FILL_TOKENS[0].marks, 1)
    assert names_fill_tokens(json.dumps({"model": {"vocab": marks}}).encode())
    assert names_fill_tokens(json.dumps(marks).encode())


def test_words_of_a_vocabulary_are_no_added_tokens() -> None:
    assert not names_fill_tokens(tokenizer("<s>", vocabulary=FILL_TOKENS[0].marks))
    assert not names_fill_tokens(b"")
