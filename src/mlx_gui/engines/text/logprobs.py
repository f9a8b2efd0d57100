"""The chances of tokens, as clients ask for them.

They are those of the distribution after penalties, bias and grammar, and before the temperature.
"""

import math
from collections.abc import Sequence
from typing import cast

import mlx.core as mx

from mlx_gui.core.generation import TokenChance, TokenLogprob
from mlx_gui.engines.text.token_bytes import TokenBytes

IMPOSSIBLE = -9999.0
"""OpenAI's number for a chance of nothing, which JSON has no word for."""

_ROWS_AT_ONCE = 8
"""So many rows of logits are widened and sorted together."""


class LogprobReader:
    """Reads log-probabilities on a stream of its own: the main one is busy with the next step.

    Belongs to the thread that it is made on.
    """

    def __init__(self, token_bytes: TokenBytes) -> None:
        self._token_bytes = token_bytes
        self._stream = mx.new_stream(mx.default_device())

    def read(self, logprobs: mx.array, token: int, top: int) -> TokenLogprob:
        """The chance of `token`, and of the `top` likeliest; `logprobs` are [vocabulary]."""
        with mx.stream(self._stream):
            wide = logprobs.astype(mx.float32)
            best = _likeliest(wide, min(top, wide.shape[-1]))
            ids = mx.concatenate([mx.array([token], mx.int32), best])
            values = wide[ids]
            mx.eval(ids, values)
        return self._told(cast(list[int], ids.tolist()), cast(list[float], values.tolist()))

    def first(self, token: int) -> TokenLogprob:
        """A prompt's first token, which has no chance."""
        return TokenLogprob(self._chance(token, 0.0), offset=0, first=True)

    def read_prompt(
        self, logits: mx.array, following: Sequence[int], top: int
    ) -> list[TokenLogprob]:
        """The chance of each token that follows one of `logits` [tokens, vocabulary]."""
        mx.eval(logits)
        count = min(top, logits.shape[-1])
        told: list[TokenLogprob] = []
        for start in range(0, len(following), _ROWS_AT_ONCE):
            tokens = list(following[start : start + _ROWS_AT_ONCE])
            wide = logits[start : start + len(tokens)].astype(mx.float32)
            ids = mx.concatenate(
                [mx.array(tokens, mx.int32)[:, None], _likeliest(wide, count)], axis=1
            )
            norms = mx.logsumexp(wide, axis=-1, keepdims=True)
            values = mx.take_along_axis(wide, ids, axis=-1) - norms
            mx.eval(ids, values)
            for row in zip(
                cast(list[list[int]], ids.tolist()),
                cast(list[list[float]], values.tolist()),
                strict=True,
            ):
                told.append(self._told(*row))
        return told

    def _told(self, ids: Sequence[int], logprobs: Sequence[float]) -> TokenLogprob:
        """Of the chosen token, which comes first, and the likeliest in any order."""
        chosen, *others = map(self._chance, ids, logprobs)
        return TokenLogprob(
            chosen, tuple(sorted(others, key=lambda chance: (-chance.logprob, chance.id)))
        )

    def _chance(self, token: int, logprob: float) -> TokenChance:
        data = self._token_bytes(token)
        return TokenChance(
            text=data.decode(errors="replace"),
            bytes=data,
            logprob=logprob if math.isfinite(logprob) else IMPOSSIBLE,
            id=token,
        )


def _likeliest(logits: mx.array, count: int) -> mx.array:
    """The ids [..., count] of the highest of `logits` [..., vocabulary], in any order."""
    if count == 1:
        best = mx.argmax(logits, axis=-1, keepdims=True)
    elif count:
        best = mx.argpartition(-logits, kth=count - 1, axis=-1)[..., :count]
    else:
        return mx.zeros((*logits.shape[:-1], 0), mx.int32)
    return best.astype(mx.int32)
