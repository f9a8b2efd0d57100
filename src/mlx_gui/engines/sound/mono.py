"""Sound as a model hears it: one channel, 16,000 samples a second, in pieces."""

import numpy as np
import samplerate

from mlx_gui.core.errors import InvalidRequest, PayloadTooLarge
from mlx_gui.engines.sound.source import PARAM, Samples, SoundSource, damaged

RATE_HZ = 16_000
_PIECE_VALUES = 1 << 18
"""Values that are read at once, of all channels together."""
_PIECE_S = 10
"""No piece is longer: a reader's buffer holds several."""
_RATES_HZ = (1_000, 1_536_000)
_CONVERTER = "sinc_medium"
_FLUSH_SAMPLES = 1024


class MonoSound:
    """The sound of a source, mixed and resampled as it is read.

    Raises InvalidRequest for a rate that means nothing, and PayloadTooLarge where the file says
    that it is longer than `longest_s`; so does `read` once it is.
    """

    def __init__(self, source: SoundSource, *, longest_s: float) -> None:
        low, high = _RATES_HZ
        if not low <= source.rate_hz <= high:
            raise damaged(f"{source.rate_hz} samples a second are none that can be heard")
        self._source = source
        self._longest_s = longest_s
        self._frames_read = 0
        self._ratio = RATE_HZ / source.rate_hz
        self._resampler = (
            None if source.rate_hz == RATE_HZ else samplerate.Resampler(_CONVERTER, channels=1)
        )
        self._piece_frames = _PIECE_S * source.rate_hz
        self._made_samples = 0
        self._ended = False
        if source.promised_frames is not None:
            self._check_length(source.promised_frames, "its file says {:.1f} s")

    @property
    def duration_s(self) -> float:
        """How long what was read so far is."""
        return self._frames_read / self._source.rate_hz

    @property
    def promised_s(self) -> float | None:
        """How long the file says it is, None where it does not say."""
        frames = self._source.promised_frames
        return None if frames is None else frames / self._source.rate_hz

    def read(self) -> Samples | None:
        """The next piece, which may be of no length; None at the end."""
        if self._ended:
            return None
        frames = max(min(_PIECE_VALUES // self._source.channels, self._piece_frames), 1)
        samples = self._source.read(frames)
        self._frames_read += len(samples)
        self._check_length(self._frames_read, "{:.1f} s so far")
        self._ended = not len(samples)
        # Files of floats may hold anything.
        with np.errstate(invalid="ignore", over="ignore"):
            mixed = samples.mean(axis=1, dtype=np.float32) if samples.size else _NOTHING
        mixed = np.clip(np.nan_to_num(mixed, nan=0.0), -1.0, 1.0)
        if self._resampler is None:
            return mixed
        if self._ended:
            # What the filter holds back comes when it is pushed by silence.
            mixed = np.zeros(_FLUSH_SAMPLES * max(round(1 / self._ratio), 1), np.float32)
        samples: Samples = self._resampler.process(mixed, self._ratio)
        left = round(self._frames_read * self._ratio) - self._made_samples
        samples = samples[:left]
        self._made_samples += len(samples)
        return samples

    def close(self) -> None:
        """Nothing more is read."""
        self._source.close()

    def _check_length(self, frames: int, words: str) -> None:
        duration_s = frames / self._source.rate_hz
        if duration_s > self._longest_s:
            raise PayloadTooLarge(
                f"The sound is longer than the {self._longest_s:g} s that this server takes: "
                f"{words.format(duration_s)}.",
                hint="Raise max_audio_s or send it in parts.",
                details={"param": PARAM},
            )


_NOTHING = np.zeros(0, np.float32)


def too_short(duration_s: float, least_s: float) -> InvalidRequest:
    """The refusal of sound in which nothing can be said."""
    return InvalidRequest(
        f"The sound is {duration_s:.3f} s long; the shortest that is taken has {least_s:g} s.",
        hint="Send a longer recording.",
        param=PARAM,
    )
