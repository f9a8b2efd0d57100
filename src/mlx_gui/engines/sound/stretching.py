"""Sound made slower or faster at the same pitch, as it comes.

Windows of the sound are laid over each other at other distances than they had (WSOLA): of those
near the right place the one is taken that follows best on what is there already.
"""

import numpy as np

from mlx_gui.engines.sound.source import Samples

_WINDOW_S = 0.04
_SEARCH_PART = 4
"""So much of a window may one be out of place."""
_SILENCE = 1e-8


class Stretch:
    """`speed` 2 makes half as much sound of it."""

    def __init__(self, rate_hz: int, speed: float) -> None:
        self._speed = speed
        self._hop = max(round(rate_hz * _WINDOW_S / 2), 4)
        self._search = self._hop * 2 // _SEARCH_PART
        self._window: Samples = np.hanning(2 * self._hop + 1)[:-1].astype(np.float32)
        # Silence before the first sample, in which the first windows are looked for.
        self._sound: Samples = np.zeros(self._search, np.float32)
        self._dropped = -self._search
        self._taken = 0
        self._windows = 0
        self._follows = 0
        self._tail: Samples = np.zeros(self._hop, np.float32)
        self._made = 0

    def add(self, samples: Samples) -> Samples:
        """What can be said now."""
        self._taken += len(samples)
        self._sound = np.concatenate([self._sound, samples])
        samples = self._windows_there()
        self._made += len(samples)
        return samples

    def end(self) -> Samples:
        """The rest."""
        silence = np.zeros(round((3 + self._speed) * self._hop) + self._search, np.float32)
        self._sound = np.concatenate([self._sound, silence])
        # No more than belongs to what was taken; what came so far is never more.
        return self._windows_there()[: round(self._taken / self._speed) - self._made]

    def _windows_there(self) -> Samples:
        made: list[Samples] = []
        length = 2 * self._hop
        while True:
            # The one before the first is made for its second half alone.
            place = max(round((self._windows - 1) * self._hop * self._speed), -self._search)
            end = max(place + self._search, self._follows) + length
            if end - self._dropped > len(self._sound):
                return np.concatenate(made) if made else np.zeros(0, np.float32)
            at = self._best_near(place)
            window: Samples = self._at(at, length) * self._window
            if self._windows:
                made.append(self._tail + window[: self._hop])
            self._tail = window[self._hop :]
            self._follows = at + self._hop
            self._windows += 1
            self._drop_before(min(place, self._follows) - self._search)

    def _best_near(self, place: int) -> int:
        """Where the window begins that goes on like the one before, near `place`."""
        length = 2 * self._hop
        low = max(place - self._search, self._dropped)
        near = self._at(low, length + place + self._search - low)
        wanted = self._at(self._follows, length)
        alike = np.correlate(near, wanted, "valid")
        energy = np.convolve(near * near, np.ones(length, np.float32), "valid")
        return low + int(np.argmax(alike / np.sqrt(energy + _SILENCE)))

    def _at(self, start: int, count: int) -> Samples:
        first = start - self._dropped
        return self._sound[first : first + count]

    def _drop_before(self, place: int) -> None:
        """What lies before `place` is of no use any more."""
        spare = place - self._dropped
        if spare > len(self._window) * 8:
            self._sound = self._sound[spare:]
            self._dropped = place
