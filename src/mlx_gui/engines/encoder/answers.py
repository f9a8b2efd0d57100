"""What becomes of the rows that a batch made: the results of a request."""

from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from mlx_gui.core.generation import Event, Result

Row = npt.NDArray[np.float32]

_LEAST_LENGTH = 1e-9
"""A vector of zeros stays one."""


class Answer(Protocol):
    """Takes the rows of one request as they come, in any order."""

    def take(self, index: int, row: Row) -> list[Event]:
        """What can be told after the row of input `index`."""
        ...


@dataclass(frozen=True, slots=True)
class Vectors:
    """The first `dimensions` numbers of each row; with `normalizes`, of length 1."""

    dimensions: int
    normalizes: bool

    def take(self, index: int, row: Row) -> list[Event]:
        vector = row[: self.dimensions]
        if self.normalizes:
            vector = unit(vector)
        return [Result(index, vector.astype("<f4").tobytes())]


@dataclass(frozen=True, slots=True)
class Scores:
    """Each row is a score already."""

    def take(self, index: int, row: Row) -> list[Event]:
        return [Result(index, row[:1].astype("<f4").tobytes())]


@dataclass(slots=True)
class Likenesses:
    """Cosines between the query, which is the last input, and the documents before it."""

    documents: int
    _query: Row | None = None
    _waiting: list[tuple[int, Row]] = field(default_factory=list[tuple[int, Row]])

    def take(self, index: int, row: Row) -> list[Event]:
        if index == self.documents:
            self._query = unit(row)
        else:
            self._waiting.append((index, unit(row)))
        query = self._query
        if query is None:
            return []
        told: list[Event] = []
        for number, document in self._waiting:
            cosine = np.array([np.dot(query, document)], dtype="<f4")
            told.append(Result(number, cosine.tobytes()))
        self._waiting.clear()
        return told


def unit(row: Row) -> Row:
    """`row` made as long as 1."""
    length: Any = np.linalg.norm(row)
    return row / np.maximum(length, np.float32(_LEAST_LENGTH))
