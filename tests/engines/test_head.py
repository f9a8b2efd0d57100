"""Logits of chosen positions only, and what that saves when a prompt is read."""

from typing import Any

import pytest

from mlx_gui.core.generation import GenerateRequest, Sampling
from tests.engines.remote import RemoteEngine
from tests.zoo.cache import checkpoint
from tests.zoo.families import FAMILIES, SERIAL

GREEDY = Sampling(temperature=0)


@pytest.mark.parametrize("name", FAMILIES)
def test_chosen_logits_are_those_of_all_positions(name: str, engine: RemoteEngine) -> None:
    engine.load(checkpoint(name))
    assert engine.child.call(_difference) < 1e-4


def test_a_head_with_something_beside_it_is_left_alone(engine: RemoteEngine) -> None:
    assert engine.child.call(_selective, False) == (False, True)


def test_a_head_that_gets_no_positions_is_left_alone(engine: RemoteEngine) -> None:
    assert engine.child.call(_selective, True) == (False, True)


@pytest.mark.parametrize("name", sorted(FAMILIES.keys() - SERIAL))
def test_a_prompt_takes_one_call_and_an_answer_one_less_than_it_has_tokens(
    name: str, engine: RemoteEngine
) -> None:
    engine.load(checkpoint(name))
    engine.child.call(_watch_calls)
    prompt = tuple(range(4, 24))
    engine.answer(GenerateRequest(prompt=prompt, sampling=GREEDY, max_tokens=5, ignore_eos=True))
    assert engine.child.call(_calls) == [(1, 20), *[(1, 1)] * 4]


def test_short_and_long_prompts_of_a_batch_begin_with_their_own_tokens(
    engine: RemoteEngine,
) -> None:
    engine.load(checkpoint("Qwen3-tiny"))
    requests = [
        GenerateRequest(
            prompt=tuple(range(4, 4 + length)), sampling=GREEDY, max_tokens=6, ignore_eos=True
        )
        for length in (1, 2, 17, 40)
    ]
    alone = [engine.answer(request).outcome() for request in requests]
    assert [reply.outcome() for reply in engine.answers(requests)] == alone


# In the child


def _difference() -> float:
    """Between chosen logits and the same ones of all, the largest of two rows."""
    import mlx.core as mx

    from mlx_gui.engines.text.caches import new_cache
    from tests.engines import remote

    loaded = remote._engines[0]._resident.loaded
    assert loaded.network.head.selective
    # One after the other: some of these caches cannot be batched.
    largest = 0.0
    for place in (2, 4):
        tokens = mx.arange(4, 9)[None]
        whole = loaded.network.model(tokens, cache=new_cache(loaded.network.model))
        with loaded.network.head.only([place]):
            chosen = loaded.network.model(tokens, cache=new_cache(loaded.network.model))
        assert chosen.shape == (1, 1, whole.shape[-1])
        largest = max(largest, mx.abs(chosen[:, 0] - whole[:, place]).max().item())
    return largest


def _selective(flat: bool) -> tuple[bool, bool]:
    """Whether the head of an unusual model can choose, and whether it is what it was.

    It is given tokens without rows, or its results are added to others.
    """
    import mlx.core as mx
    import mlx.nn as nn

    from mlx_gui.engines.text.head import Head

    class Layered(nn.Module):
        layers = ()

        def __init__(self) -> None:
            super().__init__()
            self.embed = nn.Embedding(8, 4)
            self.head = nn.Linear(4, 8)
            self.beside = mx.ones((4, 8))

        def __call__(self, tokens: mx.array, cache: Any = None) -> mx.array:
            hidden = self.embed(tokens)
            if flat:
                return self.head(hidden.flatten(0, 1))[None]
            return self.head(hidden) + hidden @ self.beside

    model = Layered()
    return Head(model, 8).selective, type(model.head) is nn.Linear


_seen: list[tuple[int, ...]] = []


def _watch_calls() -> None:
    """Note the shapes that the loaded model is called with from now on."""
    from tests.engines import remote

    model = remote._engines[0]._resident.loaded.network.model
    kind = type(model)

    class Watched(kind):
        def __call__(self, inputs: Any, *arguments: Any, **settings: Any) -> Any:
            _seen.append(tuple(inputs.shape))
            return super().__call__(inputs, *arguments, **settings)

    _seen.clear()
    model.__class__ = Watched


def _calls() -> list[tuple[int, ...]]:
    return list(_seen)
