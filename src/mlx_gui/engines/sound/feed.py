"""Sound that is decoded ahead of its reader, as far as a bounded buffer goes."""

import threading
from collections import deque

import numpy as np

from mlx_gui.core.errors import InternalError, MlxGuiError
from mlx_gui.core.exhaustion import says_out_of_memory
from mlx_gui.engines.sound.mono import RATE_HZ, MonoSound
from mlx_gui.engines.sound.source import Samples

AHEAD_SAMPLES = 64 * RATE_HZ
"""As much is decoded before somebody takes of it, and a piece more."""


class SoundFeed:
    """The samples of a sound, by their place in it; a thread of its own decodes them.

    The reader goes forwards only. Whoever made it closes it. `first` are samples that were read
    of `sound` already.
    """

    def __init__(self, sound: MonoSound, first: Samples) -> None:
        self.sound = sound
        self._changed = threading.Condition()
        self._pieces: deque[Samples] = deque([first])
        self._start = 0
        self._end = len(first)
        self._complete = False
        self._closed = False
        self._failure: Exception | None = None
        threading.Thread(target=self._decode, name="sound", daemon=True).start()

    def wait_for(self, start: int, count: int, *, timeout_s: float) -> bool:
        """Whether `count` samples from `start` on are there, or all that will be.

        Those before `start` are given up, so that there is room for these: at most half of what is
        decoded ahead may be asked for at once.
        """
        with self._changed:
            self._give_up(start)
            return self._changed.wait_for(lambda: self._has(start, count), timeout_s)

    def window(self, start: int, count: int) -> Samples:
        """Up to `count` samples from `start` on; those before are given up.

        Raises what decoding has raised.
        """
        with self._changed:
            if self._failure is not None:
                raise self._failure
            self._give_up(start)
            held = list(self._pieces)
            skipped = start - self._start
        whole = np.concatenate(held) if held else np.zeros(0, np.float32)
        return whole[max(skipped, 0) : max(skipped, 0) + count]

    @property
    def total(self) -> int | None:
        """How many samples there are in all, once that is known."""
        with self._changed:
            return self._end if self._complete else None

    def close(self) -> None:
        """Stop decoding, and give the file back."""
        with self._changed:
            self._closed = True
            self._pieces.clear()
            self._changed.notify_all()

    def _give_up(self, before: int) -> None:
        while self._pieces and self._start + len(self._pieces[0]) <= before:
            self._start += len(self._pieces.popleft())
        self._changed.notify_all()

    def _has(self, start: int, count: int) -> bool:
        return self._complete or self._failure is not None or self._end >= start + count

    def _decode(self) -> None:
        try:
            while (piece := self.sound.read()) is not None:
                if not self._put(piece):
                    return
            with self._changed:
                self._complete = True
        except (MlxGuiError, MemoryError) as error:
            self._fail(error)
        except (ArithmeticError, OSError, RuntimeError, TypeError, ValueError) as error:
            # Want of memory is for whoever reads, as anywhere else in a step.
            self._fail(error if says_out_of_memory(str(error)) else _unforeseen(error))
        finally:
            self.sound.close()
            with self._changed:
                self._changed.notify_all()

    def _put(self, piece: Samples) -> bool:
        """Whether somebody waits for more."""
        with self._changed:
            self._changed.wait_for(lambda: self._closed or self._end - self._start < AHEAD_SAMPLES)
            if self._closed:
                return False
            if len(piece):
                self._pieces.append(piece)
                self._end += len(piece)
            self._changed.notify_all()
            return True

    def _fail(self, error: Exception) -> None:
        with self._changed:
            self._failure = error


def _unforeseen(error: Exception) -> InternalError:
    return InternalError(
        f"The sound could not be decoded: {type(error).__name__}: {error}.",
        hint="Convert it to WAV, and report the file that it was.",
    )
