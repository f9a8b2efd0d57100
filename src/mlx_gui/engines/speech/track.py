"""What becomes of the sound of one request on its way out: its speed, its rate, its format."""

import numpy as np
import samplerate

from mlx_gui.core.sound_format import SoundFormat
from mlx_gui.engines.sound.encoding import encoder_of, rate_of
from mlx_gui.engines.sound.source import Samples
from mlx_gui.engines.sound.stretching import Stretch

_CONVERTER = "sinc_medium"
_FLUSH_S = 0.1
"""What the filter holds back comes when it is pushed by silence."""


class Track:
    """Takes samples of `rate_hz`; for one thread at a time."""

    def __init__(self, format: SoundFormat, *, rate_hz: int, speed: float) -> None:
        out_hz = rate_of(format, rate_hz)
        self._rate_hz = rate_hz
        self._ratio = out_hz / rate_hz
        self._stretch = None if speed == 1 else Stretch(rate_hz, speed)
        self._resampler = (
            None if out_hz == rate_hz else samplerate.Resampler(_CONVERTER, channels=1)
        )
        self._encoder = encoder_of(format, out_hz)
        self._samples = 0
        self._resampled = 0

    @property
    def duration_ms(self) -> float:
        """How long what was taken is when it is played."""
        return 1000 * self._samples / self._rate_hz

    def add(self, samples: Samples) -> bytes:
        """What can be sent now."""
        return self._encoded(samples if self._stretch is None else self._stretch.add(samples))

    def end(self) -> bytes:
        """The rest."""
        rest = b"" if self._stretch is None else self._encoded(self._stretch.end())
        if self._resampler is not None:
            silence = np.zeros(round(_FLUSH_S * self._rate_hz), np.float32)
            last: Samples = self._resampler.process(silence, self._ratio)
            # No more than belongs to what was taken.
            last = last[: max(round(self._samples * self._ratio) - self._resampled, 0)]
            rest += self._encoder.add(last)
        return rest + self._encoder.end()

    def _encoded(self, samples: Samples) -> bytes:
        self._samples += len(samples)
        if self._resampler is not None:
            samples = self._resampler.process(samples, self._ratio)
            self._resampled += len(samples)
        return self._encoder.add(samples)
