"""Positions of tokens in three axes: time, rows and columns; of text all three are the same."""

from collections.abc import Sequence

import numpy as np

from mlx_gui.engines.text.inputs import Positions

AXES = 3


def positions(count: int, pictures: Sequence[tuple[int, tuple[int, int]]]) -> Positions:
    """Those of a prompt of `count` tokens, [axes, tokens].

    A picture is where its tokens begin and its grid. They share a time, and what follows goes on
    behind the last row or column.
    """
    placed = np.empty((AXES, count), np.int32)
    done = following = 0
    for start, (rows, columns) in pictures:
        _count_on(placed, done, start, following)
        following += start - done
        done = start + rows * columns
        row, column = np.divmod(np.arange(rows * columns, dtype=np.int32), columns)
        placed[:, start:done] = following + np.stack([np.zeros_like(row), row, column])
        following += max(rows, columns)
    _count_on(placed, done, count, following)
    return placed


def _count_on(placed: Positions, start: int, end: int, first: int) -> None:
    placed[:, start:end] = np.arange(first, first + end - start, dtype=np.int32)
