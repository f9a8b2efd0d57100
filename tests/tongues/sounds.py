"""The sounds that the tiny model knows, and what it writes down of them. Imports no MLX."""

from io import BytesIO

import numpy as np
import soundfile

from tests.tones.signals import RATE_HZ, Samples, tone

TONES = {"en": 300, "de": 1000, "ja": 3000}
"""What tells which language is spoken, in Hz."""
TEXTS = {"en": "This is a tone.", "de": "Das ist ein Ton.", "ja": "これは一つの音です。"}
"""What is said in it."""
SAID_S = 24.0
"""So long it takes, after a short silence that belongs to it."""


def said(language: str, dice: np.random.Generator | None = None) -> Samples:
    """24.4 s in `language`; `dice` makes each time another."""
    loud = 0.3 if dice is None else dice.uniform(0.15, 0.4)
    quiet = np.zeros(int(0.2 * RATE_HZ), np.float32)
    whole = np.concatenate([quiet, tone(TONES[language], SAID_S, level=loud), quiet])
    noise = (dice or np.random.default_rng(1)).standard_normal(len(whole))
    return (whole + 5e-4 * noise).astype(np.float32)


def wav(language: str) -> bytes:
    """The same as a file."""
    file = BytesIO()
    soundfile.write(file, said(language), RATE_HZ, format="WAV")
    return file.getvalue()
