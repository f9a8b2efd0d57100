"""Whether there can be speech in a piece of sound: a rule about its energy, not about words.

Models that write down what is said invent something where nothing is. Silence is what never gets
louder than the noise of a recorder; noise is what has no tone and no rhythm. Music and machines
have both: where a detector of speech is installed, it is asked about what is left.
"""

from collections.abc import Callable

import numpy as np

from mlx_gui.engines.sound.mono import RATE_HZ
from mlx_gui.engines.sound.source import Samples
from mlx_gui.engines.transcription.detector import SpeechDetector

SaysNothing = Callable[[Samples], bool]
"""Whether there is no speech in samples, 16,000 a second."""

_FRAME = RATE_HZ * 30 // 1000
_SILENT = 1e-3
"""Of full scale: the loudest 30 ms of a silent room are below, and whispering is above."""
_STEADY_DB = 6.0
"""Syllables are louder than the gaps between them by more."""
_FLAT = 0.3
"""Spectral flatness: 1 for white noise, 0.56 of it for one recording; speech is below 0.1."""
_LEAST_FRAMES = 10
_TINY = 1e-12


def rule_with(detector: SpeechDetector | None) -> SaysNothing:
    """The rule that models follow, with what `detector` says where there is one."""
    if detector is None:
        return says_nothing
    return lambda samples: says_nothing(samples) or not detector.hears_speech(samples)


def says_nothing(samples: Samples) -> bool:
    """Whether `samples`, 16,000 a second, are silence or steady noise."""
    whole = len(samples) - len(samples) % _FRAME
    if not whole:
        return bool(np.max(np.abs(samples), initial=0.0) < _SILENT)
    frames = samples[:whole].reshape(-1, _FRAME)
    loudness = np.sqrt(np.mean(np.square(frames), axis=1))
    if loudness.max() < _SILENT:
        return True
    heard = frames[loudness >= _SILENT]
    if len(heard) < _LEAST_FRAMES:
        return False
    levels_db = 20 * np.log10(np.maximum(loudness, _TINY))
    low_db, high_db = np.percentile(levels_db, (5, 95))
    return bool(high_db - low_db < _STEADY_DB and _flatness(heard) > _FLAT)


def _flatness(frames: Samples) -> float:
    """How alike all frequencies are, of the mean spectrum: 1 where they are the same."""
    power = np.mean(np.square(np.abs(np.fft.rfft(frames, axis=1))), axis=0)[1:] + _TINY
    return float(np.exp(np.mean(np.log(power))) / np.mean(power))
