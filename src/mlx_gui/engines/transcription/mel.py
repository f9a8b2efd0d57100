"""The spectrogram that Whisper hears, window by window out of a sound that is not all there.

The library makes one of the whole sound; a window of ours is the same window of that, except that
quiet is measured by the loudest so far, not by the loudest of all.
"""

import mlx.core as mx
import numpy as np

from mlx_gui.engines.sound.source import Samples
from mlx_gui.engines.transcription.mlx_audio import (
    HOP_LENGTH,
    N_FFT,
    N_FRAMES,
    SAMPLE_RATE,
    hanning,
    mel_filters,
    stft,
)

LEAD_SAMPLES = 3 * HOP_LENGTH
"""Before a window: so many frames are touched by the edge of what is looked at."""
TAIL_SAMPLES = 2 * HOP_LENGTH
WINDOW_SAMPLES = N_FRAMES * HOP_LENGTH


class MelWindows:
    """Makes the spectrograms of one sound, in order."""

    def __init__(self, n_mels: int) -> None:
        self._n_mels = n_mels
        self._loudest: mx.array | None = None

    def window(self, samples: Samples, *, lead: int, frames: int) -> mx.array:
        """`frames` frames and silence up to 30 s; `samples` begin `lead` before the window."""
        wanted = lead + WINDOW_SAMPLES + TAIL_SAMPLES
        padded = np.zeros(wanted, np.float32)
        padded[: len(samples)] = samples[:wanted]
        spectrum = stft(
            mx.array(padded),
            window=hanning(N_FFT, periodic=True),
            n_fft=N_FFT,
            hop_length=HOP_LENGTH,
        )
        first = lead // HOP_LENGTH
        power = spectrum[first : first + N_FRAMES].abs().square()
        filters = mel_filters(SAMPLE_RATE, N_FFT, self._n_mels, norm="slaney", mel_scale=None)
        levels = mx.maximum(power @ filters.T, 1e-10).log10()
        loudest = levels.max()
        if self._loudest is not None:
            loudest = mx.maximum(loudest, self._loudest)
        self._loudest = loudest
        levels = (mx.maximum(levels, loudest - 8.0) + 4.0) / 4.0
        return mx.pad(levels[:frames], [(0, N_FRAMES - frames), (0, 0)])
