"""The chances of tokens. MLX runs in a child."""

import math
from pathlib import Path

import pytest

from mlx_gui.core.generation import TokenLogprob
from tests.engines.parts import token_bytes, vocabulary
from tests.engines.remote import RemoteEngine
from tests.zoo.cache import checkpoint


def read(
    folder: Path, chances: dict[int, float], token: int, top: int, dtype: str = "float32"
) -> TokenLogprob:
    """In the child: all ids but those of `chances` are impossible."""
    import mlx.core as mx

    from mlx_gui.engines.text.logprobs import LogprobReader

    row = [-math.inf] * vocabulary(folder)
    for id, chance in chances.items():
        row[id] = math.log(chance)
    logprobs = mx.array(row).astype(getattr(mx, dtype))
    mx.eval(logprobs)
    return LogprobReader(token_bytes(folder)).read(logprobs, token, top)


@pytest.fixture(scope="module")
def folder() -> Path:
    return checkpoint("SmolLM2-tiny")


CHANCES = {40: 0.5, 41: 0.25, 42: 0.125, 300: 0.125}


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
def test_the_likeliest_come_first_and_the_lower_id_among_equals(
    engine: RemoteEngine, folder: Path, dtype: str
) -> None:
    told = engine.child.call(read, folder, CHANCES, 42, 4, dtype)
    assert told.chosen.id == 42
    assert [chance.id for chance in told.top] == [40, 41, 42, 300]
    want = [math.log(CHANCES[chance.id]) for chance in told.top]
    assert [chance.logprob for chance in told.top] == pytest.approx(want, abs=0.01)


def test_a_chosen_token_need_not_be_among_the_likeliest(engine: RemoteEngine, folder: Path) -> None:
    told = engine.child.call(read, folder, CHANCES, 41, 1)
    assert (told.chosen.id, [chance.id for chance in told.top]) == (41, [40])
    assert told.chosen.logprob == pytest.approx(math.log(0.25))
    assert engine.child.call(read, folder, CHANCES, 41, 0) == TokenLogprob(told.chosen)


def test_what_is_impossible_has_a_number_all_the_same(engine: RemoteEngine, folder: Path) -> None:
    told = engine.child.call(read, folder, CHANCES, 5, 20)
    assert told.chosen.logprob == -9999.0
    assert len(told.top) == 20
    assert {chance.logprob for chance in told.top[4:]} == {-9999.0}


def test_more_alternatives_than_tokens_are_all_tokens(engine: RemoteEngine, folder: Path) -> None:
    told = engine.child.call(read, folder, CHANCES, 40, 100_000)
    assert len({chance.id for chance in told.top}) == vocabulary(folder)


def byte_of(folder: Path, byte: int) -> int:
    """In the child: the id that stands for one byte."""
    return next(id for id in range(vocabulary(folder)) if token_bytes(folder)(id) == bytes([byte]))


@pytest.mark.parametrize("name", ["SmolLM2-tiny", "gemma-3-text-tiny"])
def test_part_of_a_character_has_exact_bytes_and_lossy_text(
    engine: RemoteEngine, name: str
) -> None:
    folder = checkpoint(name)
    token = engine.child.call(byte_of, folder, 0xF0)
    told = engine.child.call(read, folder, {token: 1.0}, token, 0)
    assert (told.chosen.text, told.chosen.bytes) == ("\N{REPLACEMENT CHARACTER}", b"\xf0")
    assert told.chosen.logprob == 0.0
