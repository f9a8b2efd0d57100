"""How long work rests that is tried again by itself."""

from dataclasses import dataclass

from mlx_gui.core.errors import MlxGuiError

_FIRST_S = 5.0
_LONGEST_S = 60.0
_MOST_DOUBLINGS = 10


@dataclass(slots=True)
class BackOff:
    """Longer with each run in a row that has brought nothing; whoever says how long is believed."""

    _in_vain: int = 0
    _done: int = -1

    def rest_s(self, error: MlxGuiError, *, done: int) -> float:
        """Seconds until the next try, after a run that came as far as `done`."""
        self._in_vain = self._in_vain + 1 if done == self._done else 0
        self._done = done
        if error.retry_after_s is not None:
            return max(_FIRST_S, float(error.retry_after_s))
        return min(_FIRST_S * 2 ** min(self._in_vain, _MOST_DOUBLINGS), _LONGEST_S)

    @property
    def begins(self) -> bool:
        """Whether the last rest was the first of its row."""
        return self._in_vain == 0
