"""Chooses tokens: compiled nowhere, seeded for each sequence, with one partial sort.

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
_GREEDY_BELOW = 1e-5
"""Temperatures that no 32-bit float can divide by, and that choose the likeliest token anyway."""
_CANDIDATES = 4096
"""A nucleus is looked for among so many tokens first; more of them cost more than the rest."""
_SEED_STEP = 0x9E3779B97F4A7C15
"""Far apart, so that the second sequence of one seed is not the first of the next."""


@dataclass(frozen=True, slots=True)
class Choice:
    """How the tokens of one request are chosen, every value decided.

    A temperature of 0 takes the likeliest; 0 switches `top_k`, `min_p` and the two penalties on the
    answer off, 1 switches `top_p` and the repetition penalty off.
    """

    temperature: float
    top_p: float
    top_k: int
    min_p: float
    seed: int
    repetition_penalty: float
    presence_penalty: float
    frequency_penalty: float
    logit_bias: Mapping[int, float]


def resolve(sampling: Sampling, settings: Sampling, generation_config: Mapping[str, Any]) -> Choice:
    """The request's wishes, else the model's settings, else its makers' values, else ours.

    Without a seed one is drawn. Values of `generation_config` that make no sense are passed over.
    """

    def pick(name: str, default: float, lowest: float, highest: float = math.inf) -> float:
        for wishes in (sampling, settings):
            wanted: float | None = getattr(wishes, name)
            if wanted is not None:
                return wanted
        match generation_config.get(name):
            case int() | float() as stored if lowest <= stored <= highest:
                return stored
            case _:
                return default

    seed = sampling.seed if sampling.seed is not None else settings.seed
    return Choice(
        temperature=pick("temperature", DEFAULT_TEMPERATURE, 0),
        top_p=pick("top_p", DEFAULT_TOP_P, 0, 1),
        top_k=max(0, int(pick("top_k", 0, 0, 2**31))),
        min_p=pick("min_p", 0, 0, 1),
        seed=secrets.randbits(63) if seed is None else seed,
        repetition_penalty=pick("repetition_penalty", 1, 0.01, 100),
        presence_penalty=pick("presence_penalty", 0, -2, 2),
        frequency_penalty=pick("frequency_penalty", 0, -2, 2),
        logit_bias=sampling.logit_bias or settings.logit_bias,
    )


def make_sampler(choice: Choice, index: int = 0) -> Sampler:
    """The sampler of sequence `index` of a request.

    All greedy sequences share one, which a batch calls once.
    """
    return greedy if choice.temperature < _GREEDY_BELOW else _Seeded(choice, index)


def greedy(logprobs: mx.array) -> mx.array:
    """The likeliest token of each row."""
    return mx.argmax(logprobs, axis=-1)


class _Seeded:
    """Temperature, then top-k, top-p and min-p, as transformers orders them. For one row."""

    def __init__(self, choice: Choice, index: int) -> None:
        self._choice = choice
        self._key = mx.random.key((choice.seed + index * _SEED_STEP) & (2**64 - 1))
        # Hot distributions are flat: their nucleus is seldom among the candidates.
        self._sorts_all = choice.temperature > 1
        self._enough: list[mx.array] = []

    def __call__(self, logprobs: mx.array) -> mx.array:
        self._key, key = mx.random.split(self._key)
        choice = self._choice
        values = logprobs.astype(mx.float32)
        if choice.temperature != 1:
            values = values * (1 / choice.temperature)
            values = values - mx.logsumexp(values, axis=-1, keepdims=True)
        if choice.top_p >= 1 and not choice.top_k:
            return mx.random.categorical(self._likely(values), key=key)
        tokens, values = _likeliest(values, self._count(values.shape[-1]))
        place = mx.random.categorical(self._likely(self._nucleus(values)), key=key)
        return mx.take_along_axis(tokens, place[:, None], axis=-1)[:, 0]

    def _count(self, vocabulary: int) -> int:
        """How many tokens to sort.

        Whether the candidates were enough is known when the step has been computed. To wait for it
        would cost every step; so the sequence sorts everything as soon as one is known to have
        needed it, which is two steps later.
        """
        if self._choice.top_k:
            return min(self._choice.top_k, vocabulary)
        if len(self._enough) == 2 and not self._enough.pop(0).item():
            self._sorts_all = True
        if self._sorts_all or vocabulary <= _CANDIDATES:
            return vocabulary
        return _CANDIDATES

    def _nucleus(self, values: mx.array) -> mx.array:
        """`values`, best first, with minus infinity outside of the nucleus."""
        choice = self._choice
        if choice.top_p >= 1:
            return values
        probabilities = mx.softmax(values, axis=-1) if choice.top_k else mx.exp(values)
        mass = mx.cumsum(probabilities, axis=-1)
        if not choice.top_k and values.shape[-1] == _CANDIDATES and not self._sorts_all:
            enough = mass[0, -1] >= choice.top_p
            mx.async_eval(enough)
            self._enough.append(enough)
        before = mass - probabilities
        # The first token has nothing before it and stays, however small top_p is.
        return mx.where((before < choice.top_p) | (before <= 0), values, -mx.inf)

    def _likely(self, values: mx.array) -> mx.array:
        """`values` with minus infinity for what is too unlikely beside the best."""
        if not self._choice.min_p:
            return values
        lowest = mx.max(values, axis=-1, keepdims=True) + math.log(self._choice.min_p)
        return mx.where(values >= lowest, values, -mx.inf)


def _likeliest(logprobs: mx.array, count: int) -> tuple[mx.array, mx.array]:
    """The `count` likeliest tokens of each row, best first, and their log-probabilities."""
    if count < logprobs.shape[-1]:
        tokens = mx.argpartition(-logprobs, kth=count - 1, axis=-1)[..., :count]
        values = mx.take_along_axis(logprobs, tokens, axis=-1)
        order = mx.argsort(-values, axis=-1)
        tokens = mx.take_along_axis(tokens, order, axis=-1)
    else:
        tokens = mx.argsort(-logprobs, axis=-1)
    return tokens, mx.take_along_axis(logprobs, tokens, axis=-1)
