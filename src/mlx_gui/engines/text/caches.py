"""KV caches that know when no row of a batch is padded, and copy what they hold less often.

A batch pads its shorter rows at the left, and mlx-lm's cache builds a mask over them for every
step even when there is nothing to hide: a single row, or rows of one length. Without that mask the
attention takes its quicker way, which is also the one of a model that serves a single sequence.

A conversation that goes on begins with all that it had. mlx-lm copies that when it becomes a row,
when the row grows and when it begins to write; a single row is copied once here, when it grows.
"""

from typing import Any, cast

import mlx.core as mx
import mlx.nn as nn

from mlx_gui.engines.text.mlx_lm import BatchKVCache, KVCache, make_prompt_cache


def new_cache(model: nn.Module) -> list[Any]:
    """An empty cache for one sequence of `model`, one member a layer."""
    return [adopt(layer) for layer in make_prompt_cache(model)]


def adopt(layer: Any) -> Any:
    """`layer` itself, or in its place one of ours that shares its arrays.

    Only plain caches have a counterpart: all others mask by more than the padding.
    """
    if type(layer) is not KVCache:
        return layer
    ours = SequenceKVCache()
    ours.state = layer.state
    return ours


class SequenceKVCache(KVCache):
    """One layer's keys and values of one sequence, which merges into an `AlignedKVCache`."""

    @classmethod
    def merge(cls, caches: list[KVCache]) -> "AlignedKVCache":
        return AlignedKVCache.merge(caches)


class AlignedKVCache(BatchKVCache):
    """One layer's keys and values of a batch; without padding it masks as a single sequence does.

    Arrays are [rows, heads, tokens, head_dim].
    """

    def __init__(self, left_padding: list[int]) -> None:
        super().__init__(left_padding)
        self._padded: bool | None = any(left_padding)

    @classmethod
    def merge(cls, caches: list[KVCache]) -> "AlignedKVCache":
        """The caches as rows of one; what they held is copied, unless it is a single one's."""
        if len(caches) == 1 and caches[0].keys is not None:
            return cls._alone(caches[0])
        merged = super().merge(caches)
        # Empty ones become the library's own class, whatever class was asked.
        return merged if isinstance(merged, cls) else cls([0] * len(caches))

    @classmethod
    def _alone(cls, cache: KVCache) -> "AlignedKVCache":
        """`cache` as the only row, which shares its arrays: they are copied when they grow."""
        tokens = cache.offset
        row = cls([0])
        keys, values = (cast(mx.array, each)[..., :tokens, :] for each in cache.state[:2])
        row.state = (keys, values, row.offset + tokens, row.left_padding, tokens)
        return row

    def update_and_fetch(self, keys: mx.array, values: mx.array) -> tuple[mx.array, mx.array]:
        """All keys and values with these new ones, [rows, heads, tokens, head_dim]."""
        if not self.empty():
            self._reserve(self.size() + keys.shape[2])
        return super().update_and_fetch(keys, values)

    def _reserve(self, tokens: int) -> None:
        """Room for `tokens` in all, in arrays of whole steps.

        The library grows by whole steps from wherever it is. Memory of an array that has gone fits
        the next one only where there are few lengths; new memory costs more than the copy.
        """
        held = self.keys, self.values
        if tokens <= held[0].shape[2]:
            return
        filled = self.size()
        room = -(-tokens // self.step) * self.step - filled
        self.keys, self.values = (
            mx.concatenate(
                [
                    each[..., :filled, :],
                    mx.zeros((*each.shape[:2], room, each.shape[3]), each.dtype),
                ],
                axis=2,
            )
            for each in held
        )

    def make_mask(self, N: int, return_array: bool = False, **limits: Any) -> Any:
        """What hides positions from the `N` new tokens of each row: an array, a name or None."""
        if return_array or limits.get("window_size") is not None or self._has_padding():
            return super().make_mask(N, return_array, **limits)
        return None if N == 1 else "causal"

    def prepare(self, **padding: Any) -> None:
        super().prepare(**padding)
        self._padded = True

    def finalize(self) -> None:
        self._padded = None
        super().finalize()

    def filter(self, batch_indices: list[int]) -> None:
        if batch_indices == list(range(self.offset.size)) and not self._has_padding():
            # Nothing changes, and the library would copy it all.
            return
        self._padded = None
        super().filter(batch_indices)

    def extend(self, other: BatchKVCache) -> None:
        self._padded = None
        super().extend(other)

    def _has_padding(self) -> bool:
        """Looked up once after each change of the rows: reading an array waits for it."""
        if self._padded is None:
            self._padded = any(cast(list[int], self.left_padding.tolist()))
        return self._padded
