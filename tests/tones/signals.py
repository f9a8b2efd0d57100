"""The sounds that the tiny model knows, and what it writes down of them."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

Samples = NDArray[np.float32]

RATE_HZ = 16_000
WORDS = {"one": 300, "two": 520, "three": 900, "four": 1500, "five": 2600}
"""Tones that are words, in Hz."""
LEAD_S = 0.28
"""Silence before the first. Words then begin in the middle of a frame: on its edge, whether they
are in this one or the next is as hard to hear as to say."""


def tone(frequency_hz: float, seconds: float, *, level: float = 0.3) -> Samples:
    """One tone."""
    times = np.arange(int(seconds * RATE_HZ)) / RATE_HZ
    return (level * np.sin(2 * np.pi * frequency_hz * times)).astype(np.float32)


def spoken(words: Sequence[str], dice: np.random.Generator | None = None) -> Samples:
    """The tones of `words`, 0.4 s each with silence around; `dice` makes each time another."""
    parts = [_silence(LEAD_S)]
    for word in words:
        seconds = 0.4 * (1 if dice is None else dice.uniform(0.85, 1.25))
        frequency_hz = WORDS[word] * (1 if dice is None else dice.uniform(0.97, 1.03))
        level = 0.3 * (1 if dice is None else dice.uniform(0.6, 1.4))
        sound = tone(frequency_hz, seconds, level=level)
        ramp = np.minimum(np.arange(len(sound)) / (0.01 * RATE_HZ), 1)
        parts.append((sound * ramp * ramp[::-1]).astype(np.float32))
        parts.append(_silence(0.24 * (1 if dice is None else dice.uniform(0.8, 1.6))))
    sound = np.concatenate(parts)
    noise = (dice or np.random.default_rng(1)).standard_normal(len(sound))
    return (sound + 5e-4 * noise).astype(np.float32)


def _silence(seconds: float) -> Samples:
    return np.zeros(int(seconds * RATE_HZ), np.float32)
