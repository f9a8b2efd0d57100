"""Chooses tokens: compiled nowhere, seeded for each request, with one partial sort.

mlx-lm's own samplers share one random state, so that a seed means nothing in a batch, and sort the
whole vocabulary for each token.
"""

import math
import secrets
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import mlx.core as mx

from mlx_gui.core.generation import Sampling

Sampler = Callable[[mx.array], mx.array]
"""Takes log-probabilities [rows, vocabulary], returns token ids [rows]."""

DEFAULT_TEMPERATURE = 0.7
DEFAULT_TOP_P = 0.95
_CANDIDATES = 256
"""A nucleus is looked for among this many tokens; what lies beyond is chosen practically never."""


@dataclass(frozen=True, slots=True)
class Choice:
    """How the tokens of one request are chosen; a temperature of 0 takes the likeliest.

    0 switches `top_k` and `min_p` off, 1 switches `top_p` off.
    """

    temperature: float
    top_p: float
    top_k: int
    min_p: float
    seed: int


def resolve(sampling: Sampling, generation_config: Mapping[str, Any]) -> Choice:
    """The request's wishes, else the model's own settings, else ours; no seed draws one."""

    def pick(wanted: float | None, name: str, default: float) -> float:
        if wanted is not None:
            return wanted
        stored = generation_config.get(name)
        return stored if isinstance(stored, int | float) else default

    seed = sampling.seed if sampling.seed is not None else secrets.randbits(63)
    return Choice(
        temperature=pick(sampling.temperature, "temperature", DEFAULT_TEMPERATURE),
        top_p=pick(sampling.top_p, "top_p", DEFAULT_TOP_P),
        top_k=int(pick(None, "top_k", 0)),
        min_p=pick(None, "min_p", 0),
        seed=seed,
    )


def make_sampler(choice: Choice) -> Sampler:
    """The sampler of one request. All greedy requests share one, which a batch calls once."""
    return greedy if choice.temperature <= 0 else _Seeded(choice)


def greedy(logprobs: mx.array) -> mx.array:
    """The likeliest token of each row."""
    return mx.argmax(logprobs, axis=-1)


class _Seeded:
    """Temperature, then top-k, top-p and min-p, as transformers orders them."""

    def __init__(self, choice: Choice) -> None:
        self._choice = choice
        self._key = mx.random.key(choice.seed & (2**64 - 1))

    def __call__(self, logprobs: mx.array) -> mx.array:
        self._key, key = mx.random.split(self._key)
        choice = self._choice
        if choice.temperature != 1:
            logprobs = logprobs * (1 / choice.temperature)
            logprobs = logprobs - mx.logsumexp(logprobs, axis=-1, keepdims=True)
        if choice.top_p >= 1 and not choice.top_k and not choice.min_p:
            return mx.random.categorical(logprobs, key=key)
        tokens, values = _likeliest(logprobs, choice.top_k or _CANDIDATES)
        place = mx.random.categorical(self._restricted(values), key=key)
        return mx.take_along_axis(tokens, place[:, None], axis=-1)[:, 0]

    def _restricted(self, values: mx.array) -> mx.array:
        """`values`, best first, with minus infinity where a token may not be chosen."""
        choice = self._choice
        probabilities = mx.softmax(values, axis=-1) if choice.top_k else mx.exp(values)
        before = mx.cumsum(probabilities, axis=-1) - probabilities
        # The first token has nothing before it and stays, however small top_p is.
        allowed = (before < choice.top_p) | (before <= 0)
        if choice.min_p:
            allowed = allowed & (values >= values[..., :1] + math.log(choice.min_p))
        return mx.where(allowed, values, -mx.inf)


def _likeliest(logprobs: mx.array, count: int) -> tuple[mx.array, mx.array]:
    """The `count` likeliest tokens of each row, best first, and their log-probabilities."""
    count = min(count, logprobs.shape[-1])
    tokens = mx.argpartition(-logprobs, kth=count - 1, axis=-1)[..., :count]
    values = mx.take_along_axis(logprobs, tokens, axis=-1)
    order = mx.argsort(-values, axis=-1)
    return mx.take_along_axis(tokens, order, axis=-1), mx.take_along_axis(values, order, axis=-1)
