"""How tokens are chosen. MLX runs in a child."""

import math
from collections import Counter
from dataclasses import replace
from typing import Any

import pytest

from mlx_gui.core.generation import Sampling
from tests.engines.remote import RemoteEngine

PROBABILITIES = (0.05, 0.5, 0.15, 0.3)
DRAWS = 2000


def draw(settings: dict[str, Any], draws: int = DRAWS) -> Counter[int]:
    """In the child: how often each of the four tokens comes."""
    import mlx.core as mx

    from mlx_gui.engines.text.sampling import Choice, make_sampler

    choice = Choice(temperature=1, top_p=1, top_k=0, min_p=0, seed=7)
    sampler = make_sampler(replace(choice, **settings))
    logprobs = mx.log(mx.array([PROBABILITIES]))
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


def test_temperature_zero_takes_the_likeliest(engine: RemoteEngine) -> None:
    assert engine.child.call(draw, {"temperature": 0}, 3) == {1: 3}


def resolved(sampling: Sampling, generation_config: dict[str, Any]) -> tuple[float, ...]:
    """In the child."""
    from mlx_gui.engines.text.sampling import resolve

    choice = resolve(sampling, generation_config)
    return choice.temperature, choice.top_p, choice.top_k, choice.min_p


@pytest.mark.parametrize(
    ("sampling", "generation_config", "want"),
    [
        (Sampling(), {}, (0.7, 0.95, 0, 0)),
        (Sampling(), {"temperature": 0.6, "top_k": 20, "min_p": 0.1}, (0.6, 0.95, 20, 0.1)),
        (Sampling(temperature=0.0, top_p=0.5), {"temperature": 0.6}, (0.0, 0.5, 0, 0)),
        (Sampling(), {"temperature": None, "top_p": "high"}, (0.7, 0.95, 0, 0)),
    ],
)
def test_the_request_goes_before_the_model_and_the_model_before_the_defaults(
    engine: RemoteEngine,
    sampling: Sampling,
    generation_config: dict[str, Any],
    want: tuple[float, ...],
) -> None:
    assert engine.child.call(resolved, sampling, generation_config) == want
