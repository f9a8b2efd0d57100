"""Every token as the bytes it stands for, in both schemes that models use. MLX runs in a child."""

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tokenizers import Tokenizer

from tests.engines.parts import token_bytes, vocabulary
from tests.engines.remote import RemoteEngine
from tests.zoo.cache import checkpoint
from tests.zoo.families import FAMILIES

LETTERS = st.characters(exclude_categories=["Cs"])


def spelled(folder: Path, ids: list[int]) -> list[bytes]:
    """In the child."""
    return [token_bytes(folder)(id) for id in ids]


@pytest.mark.parametrize("name", FAMILIES)
def test_every_id_reads_as_the_tokenizer_decodes_it(engine: RemoteEngine, name: str) -> None:
    folder = checkpoint(name)
    tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
    ids = list(range(vocabulary(folder)))
    read = engine.child.call(spelled, folder, ids)
    decoded = [tokenizer.decode([id], skip_special_tokens=False) for id in ids]
    assert [data.decode(errors="replace") for data in read] == decoded
    assert {data for data in read if len(data) == 1} == {bytes([byte]) for byte in range(256)}


@pytest.fixture(scope="module", params=["SmolLM2-tiny", "gemma-3-text-tiny"])
def folder(request: pytest.FixtureRequest) -> Path:
    return checkpoint(request.param)


@settings(max_examples=30, deadline=None)
@given(text=st.text(LETTERS, max_size=30))
def test_the_bytes_of_a_text_s_tokens_are_the_text_s_own(
    engine: RemoteEngine, folder: Path, text: str
) -> None:
    tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
    ids = tokenizer.encode(text, add_special_tokens=False).ids
    assert b"".join(engine.child.call(spelled, folder, ids)) == text.encode()


def test_an_id_without_a_token_stands_for_nothing(engine: RemoteEngine, folder: Path) -> None:
    assert engine.child.call(spelled, folder, [10_000_000]) == [b""]
