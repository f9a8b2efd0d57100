"""How tokens are chosen. MLX runs in a child."""

import math
from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from mlx_gui.core.generation import Sampling
from tests.engines.parts import Ask, generate
from tests.engines.remote import RemoteEngine
from tests.zoo.cache import checkpoint

PROBABILITIES = (0.05, 0.5, 0.15, 0.3)
DRAWS = 2000


def plain_choice(**settings: Any) -> Any:
    """In the child: temperature 1 and nothing else, but for `settings`."""
    from mlx_gui.engines.text.sampling import Choice

    choice = Choice(
        temperature=1,
        top_p=1,
        top_k=0,
        min_p=0,
        seed=7,
        repetition_penalty=1,
        presence_penalty=0,
        frequency_penalty=0,
        logit_bias={},
    )
    return replace(choice, **settings)


def draw(settings: dict[str, Any], draws: int = DRAWS, dtype: str = "float32") -> Counter[int]:
    """In the child: how often each of the four tokens comes."""
    import mlx.core as mx

    from mlx_gui.engines.text.sampling import make_sampler

    sampler = make_sampler(plain_choice(**settings))
    logprobs = mx.log(mx.array([PROBABILITIES])).astype(getattr(mx, dtype))
    return Counter(sampler(logprobs).item() for _ in range(draws))


def expected(allowed: tuple[int, ...], temperature: float = 1) -> dict[int, float]:
    weights = {token: PROBABILITIES[token] ** (1 / temperature) for token in allowed}
    return {token: weight / sum(weights.values()) for token, weight in weights.items()}


@pytest.mark.parametrize(
    ("settings", "allowed", "temperature"),
    [
        ({}, (0, 1, 2, 3), 1),
        ({"temperature": 2.0}, (0, 1, 2, 3), 2),
        ({"top_p": 0.75}, (1, 3), 1),
        ({"top_p": 1e-9}, (1,), 1),
        ({"top_p": 0.0}, (1,), 1),
        ({"top_k": 3}, (1, 2, 3), 1),
        ({"top_k": 1000}, (0, 1, 2, 3), 1),
        ({"min_p": 0.2}, (1, 2, 3), 1),
        ({"min_p": 1.0}, (1,), 1),
        ({"top_k": 3, "min_p": 0.5}, (1, 3), 1),
        ({"temperature": 2.0, "top_p": 0.5}, (1, 3), 2),
    ],
)
def test_tokens_come_as_often_as_the_settings_say(
    engine: RemoteEngine,
    settings: dict[str, Any],
    allowed: tuple[int, ...],
    temperature: float,
) -> None:
    want = expected(allowed, temperature)
    counts = engine.child.call(draw, settings)
    assert set(counts) == set(want)
    for token, probability in want.items():
        deviation = math.sqrt(DRAWS * probability * (1 - probability))
        assert abs(counts[token] - DRAWS * probability) <= 5 * deviation


@pytest.mark.parametrize("dtype", ["float32", "float16", "bfloat16"])
@pytest.mark.parametrize("temperature", [0, 5e-324, 1e-40, 1e-5, 1e-3])
def test_temperatures_near_zero_take_the_likeliest(
    engine: RemoteEngine, temperature: float, dtype: str
) -> None:
    for others in ({}, {"top_p": 0.9}, {"top_k": 2}, {"min_p": 0.1}):
        settings = {"temperature": temperature, **others}
        assert engine.child.call(draw, settings, 3, dtype) == {1: 3}


def flat(settings: dict[str, Any], vocabulary: int, draws: int) -> list[int]:
    """In the child: draws from equally likely tokens."""
    import mlx.core as mx

    from mlx_gui.engines.text.sampling import make_sampler

    sampler = make_sampler(plain_choice(**settings))
    logprobs = mx.full((1, vocabulary), -math.log(vocabulary))
    return [sampler(logprobs).item() for _ in range(draws)]


@pytest.mark.parametrize(("temperature", "late"), [(1.0, 2), (1.5, 0)])
def test_a_nucleus_wider_than_the_candidates_is_not_cut(
    engine: RemoteEngine, temperature: float, late: int
) -> None:
    settings = {"temperature": temperature, "top_p": 0.9}
    drawn = engine.child.call(flat, settings, 20_000, 400)[late:]
    # Of 18,000 tokens in the nucleus 400 draws seldom hit one twice; 4,096 would give 18 pairs.
    assert len(set(drawn)) > len(drawn) - 12


def masked(settings: dict[str, Any]) -> set[int]:
    """In the child: what is drawn when a mask has left two tokens of many."""
    import mlx.core as mx

    from mlx_gui.engines.text.sampling import make_sampler

    sampler = make_sampler(plain_choice(**settings))
    row = [-math.inf] * 10_000
    row[3], row[9_000] = math.log(0.6), math.log(0.4)
    return {sampler(mx.array([row])).item() for _ in range(60)}


@pytest.mark.parametrize(
    "settings",
    [{}, {"top_p": 0.99}, {"top_k": 50}, {"min_p": 0.1}, {"temperature": 2.0, "top_p": 0.95}],
)
def test_what_a_mask_forbids_never_comes(engine: RemoteEngine, settings: dict[str, Any]) -> None:
    assert engine.child.call(masked, settings) == {3, 9_000}


def sequences(seed: int, index: int) -> list[int]:
    """In the child."""
    import mlx.core as mx

    from mlx_gui.engines.text.sampling import make_sampler

    sampler = make_sampler(plain_choice(seed=seed), index)
    logprobs = mx.full((1, 1000), -math.log(1000))
    return [sampler(logprobs).item() for _ in range(8)]


def test_each_sequence_of_a_seed_draws_its_own_and_always_the_same(engine: RemoteEngine) -> None:
    drawn = [
        tuple(engine.child.call(sequences, seed, index))
        for seed in (0, 1, 2**63, -1)
        for index in range(3)
    ]
    assert len(set(drawn)) == len(drawn)
    assert tuple(engine.child.call(sequences, 1, 2)) == drawn[5]


def shared() -> bool:
    """In the child."""
    from mlx_gui.engines.text.sampling import make_sampler

    return make_sampler(plain_choice(temperature=0)) is make_sampler(plain_choice(temperature=0))


def test_all_greedy_sequences_share_one_sampler(engine: RemoteEngine) -> None:
    assert engine.child.call(shared)


@pytest.fixture(scope="module")
def folder() -> Path:
    return checkpoint("Qwen3-tiny")


def test_a_seed_gives_the_same_whatever_else_is_in_the_batch(
    engine: RemoteEngine, folder: Path
) -> None:
    asks = [
        Ask(prompt="Hello", sampling=Sampling(seed=5)),
        Ask(prompt="Count from 1 to 10, please", sampling=Sampling(temperature=0)),
        Ask(prompt="a b c", sampling=Sampling(seed=6, top_k=20, min_p=0.01)),
        Ask(prompt="a b c", sampling=Sampling(seed=6, temperature=1.5, frequency_penalty=1.0)),
        Ask(prompt="a b c d", sampling=Sampling(seed=6, repetition_penalty=1.3)),
        Ask(prompt="a b c d", sampling=Sampling(seed=6), index=1, max_tokens=9),
    ]
    together = engine.child.call(generate, folder, asks)
    alone = [engine.child.call(generate, folder, [ask])[0] for ask in asks]
    assert together == alone
    assert len({tuple(said.ids) for said in alone}) == len(alone)


def resolved(
    sampling: Sampling, settings: Sampling, generation_config: dict[str, Any]
) -> tuple[float, ...]:
    """In the child."""
    from mlx_gui.engines.text.sampling import resolve

    choice = resolve(sampling, settings, generation_config)
    return choice.temperature, choice.top_p, choice.top_k, choice.min_p, choice.repetition_penalty


@pytest.mark.parametrize(
    ("sampling", "settings", "generation_config", "want"),
    [
        ({}, {}, {}, (0.7, 0.95, 0, 0, 1)),
        (
            {},
            {},
            {"temperature": 0.6, "top_k": 20, "min_p": 0.1, "repetition_penalty": 1.1},
            (0.6, 0.95, 20, 0.1, 1.1),
        ),
        ({"temperature": 0.0, "top_p": 0.5}, {}, {"temperature": 0.6}, (0.0, 0.5, 0, 0, 1)),
        ({"top_k": 5}, {"top_k": 6, "min_p": 0.3}, {"top_k": 7}, (0.7, 0.95, 5, 0.3, 1)),
        ({}, {"top_k": 6, "temperature": 0.0}, {"top_k": 7}, (0.0, 0.95, 6, 0, 1)),
        ({"top_k": -1}, {}, {"top_k": 7}, (0.7, 0.95, 0, 0, 1)),
        ({}, {}, {"temperature": None, "top_p": "high", "top_k": -1}, (0.7, 0.95, 0, 0, 1)),
        (
            {},
            {},
            {"temperature": math.nan, "top_p": 7, "min_p": 2, "repetition_penalty": 0},
            (0.7, 0.95, 0, 0, 1),
        ),
    ],
)
def test_the_request_goes_before_the_settings_and_these_before_the_models_files(
    engine: RemoteEngine,
    sampling: dict[str, Any],
    settings: dict[str, Any],
    generation_config: dict[str, Any],
    want: tuple[float, ...],
) -> None:
    answer = engine.child.call(
        resolved, Sampling(**sampling), Sampling(**settings), generation_config
    )
    assert answer == want


def seeds(*samplings: Sampling) -> tuple[int, int]:
    """In the child."""
    from mlx_gui.engines.text.sampling import resolve

    return resolve(*samplings, {}).seed, resolve(*samplings, {}).seed


def test_without_a_seed_one_is_drawn(engine: RemoteEngine) -> None:
    first, second = engine.child.call(seeds, Sampling(), Sampling())
    assert first != second
    assert engine.child.call(seeds, Sampling(), Sampling(seed=3)) == (3, 3)
    assert engine.child.call(seeds, Sampling(seed=0), Sampling(seed=3)) == (0, 0)
