"""The chances of tokens, as clients ask for them.

They are those of the distribution after penalties, bias and grammar, and before the temperature.
"""

import math
from typing import cast

import mlx.core as mx

from mlx_gui.core.generation import TokenChance, TokenLogprob
from mlx_gui.engines.text.token_bytes import TokenBytes

IMPOSSIBLE = -9999.0
"""OpenAI's number for a chance of nothing, which JSON has no word for."""


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
            count = min(top, wide.shape[-1])
            best = (
                mx.argpartition(-wide, kth=count - 1)[:count] if count else mx.array([], mx.int32)
            )
            ids = mx.concatenate([mx.array([token], mx.int32), best.astype(mx.int32)])
            values = wide[ids]
            mx.eval(ids, values)
        chosen, *others = map(
            self._chance, cast(list[int], ids.tolist()), cast(list[float], values.tolist())
        )
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
