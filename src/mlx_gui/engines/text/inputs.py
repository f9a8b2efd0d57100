"""What a prompt is fed beside its ids: values in place of a model's own, and positions."""

from collections.abc import Sequence
from dataclasses import dataclass

import mlx.core as mx
import numpy as np
from numpy.typing import NDArray

Positions = NDArray[np.int32]
"""Those of a prompt's tokens, [axes, tokens]."""

Digest = bytes
"""Tells two pictures apart, whole."""


@dataclass(frozen=True, slots=True)
class Imprint:
    """What stands at some tokens of a prompt whose ids do not tell it: `digest` does."""

    start: int
    tokens: int
    digest: Digest


@dataclass(frozen=True, slots=True)
class Given:
    """`values` [tokens, values] in place of those of a prompt's tokens from `start` on."""

    start: int
    values: mx.array

    @property
    def end(self) -> int:
        return self.start + self.values.shape[0]


@dataclass(frozen=True, slots=True)
class Inputs:
    """What there is of a prompt beside its ids.

    What is `given` counts tokens of the whole prompt, as `imprints` do, which tell prompts apart.
    Without `positions` tokens are counted; those that follow the prompt go on behind the highest.
    """

    given: tuple[Given, ...] = ()
    imprints: tuple[Imprint, ...] = ()
    positions: Positions | None = None

    def reaches(self, start: int, count: int) -> bool:
        """Whether anything is given for the `count` tokens from `start` on."""
        return any(each.start < start + count and start < each.end for each in self.given)

    def laid_over(self, values: mx.array, start: int, count: int) -> mx.array:
        """`values` [tokens, values] from `start` on, with what is given for `count` of them."""
        for each in self.given:
            begin, end = max(each.start, start), min(each.end, start + count)
            if begin < end:
                own = each.values[begin - each.start : end - each.start]
                values[begin - start : end - start] = own.astype(values.dtype)
        return values

    def positions_at(self, start: int, count: int, *, axes: int) -> Positions:
        """Those of `count` tokens from `start` on, [axes, tokens]."""
        counted = np.broadcast_to(np.arange(start, start + count, dtype=np.int32), (axes, count))
        if self.positions is None:
            return counted
        told = self.positions[:, start : start + count]
        shift = int(self.positions.max()) + 1 - self.positions.shape[1]
        return np.concatenate([told, counted[:, told.shape[1] :] + shift], axis=1, dtype=np.int32)


NOTHING = Inputs()
"""A prompt of ids alone."""


def begun_before(imprints: Sequence[Imprint], count: int) -> tuple[Imprint, ...]:
    """Those in the first `count` tokens, or that begin there."""
    return tuple(each for each in imprints if each.start < count)
