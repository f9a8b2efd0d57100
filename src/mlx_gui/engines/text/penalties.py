"""Changes to the logits that a request asks for: penalties on what was said, and a bias.

Nothing here waits for MLX: what was said is counted in arrays that the last token is added to.
Logits are [1, vocabulary].
"""

from collections.abc import Iterable, Mapping

import mlx.core as mx

from mlx_gui.core.errors import InvalidRequest

MAX_BIAS = 100.0


def check_logit_bias(bias: Mapping[int, float], vocabulary: int) -> None:
    """Raises InvalidRequest for tokens that the model does not have and values out of bounds."""
    for id, value in bias.items():
        if not 0 <= id < vocabulary:
            raise InvalidRequest(
                f"logit_bias names the token {id}; the model has those below {vocabulary}.",
                hint="Send ids of this model's own tokenizer.",
                param="logit_bias",
            )
        if not -MAX_BIAS <= value <= MAX_BIAS:
            raise InvalidRequest(
                f"logit_bias of the token {id} is {value}; it may be from "
                f"-{MAX_BIAS:g} to {MAX_BIAS:g}.",
                hint="-100 practically bans a token, 100 practically forces it.",
                param="logit_bias",
            )


class LogitBias:
    """Adds a value to the logits of some tokens."""

    def __init__(self, bias: Mapping[int, float]) -> None:
        self._bias = bias
        self._row: mx.array | None = None

    def __call__(self, context: mx.array, logits: mx.array) -> mx.array:
        if self._row is None:
            ids = _within(self._bias, logits)
            self._row = mx.zeros(logits.shape[-1])
            self._row[mx.array(ids, mx.int32)] = mx.array([self._bias[id] for id in ids])
        return (logits + self._row).astype(logits.dtype)


class CountPenalty:
    """OpenAI's penalties, on the answer alone: once for a token that occurs, and for each time."""

    def __init__(self, *, presence: float, frequency: float) -> None:
        self._presence = presence
        self._frequency = frequency
        self._counts: mx.array | None = None

    def __call__(self, context: mx.array, logits: mx.array) -> mx.array:
        if self._counts is None:
            # The context is still the prompt alone.
            self._counts = mx.zeros(logits.shape[-1])
            return logits
        self._counts = self._counts.at[context[-1:]].add(1)
        penalty = self._counts * self._frequency + (self._counts > 0) * self._presence
        return (logits - penalty).astype(logits.dtype)


class RepetitionPenalty:
    """The penalty of transformers, on every token of prompt and answer: nearer to impossible."""

    def __init__(self, penalty: float, prompt: Iterable[int]) -> None:
        self._penalty = penalty
        self._prompt = prompt
        self._seen: mx.array | None = None

    def __call__(self, context: mx.array, logits: mx.array) -> mx.array:
        if self._seen is None:
            self._seen = mx.zeros(logits.shape[-1], mx.bool_)
            self._seen[mx.array(_within(self._prompt, logits), mx.int32)] = True
        else:
            self._seen[context[-1:]] = True
        wide = logits.astype(mx.float32)
        punished = mx.where(wide > 0, wide / self._penalty, wide * self._penalty)
        # The smallest penalties make infinities, of which no probability can be computed.
        limits = mx.finfo(mx.float32)
        punished = mx.clip(punished, limits.min, limits.max)
        return mx.where(self._seen, punished, wide).astype(logits.dtype)


def _within(ids: Iterable[int], logits: mx.array) -> list[int]:
    """The ids that have a logit: MLX writes to any other address as well, unchecked."""
    return [id for id in set(ids) if 0 <= id < logits.shape[-1]]
