"""What sound is read from: its frames as they are in the file, piece by piece."""

from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from mlx_gui.core.errors import InvalidRequest

Samples = NDArray[np.float32]

PARAM = "file"
"""The field of the request that sound comes in."""


class SoundSource(Protocol):
    """Sound that has been opened; for one thread at a time.

    `promised_frames` is how many the file says it has, None where it does not say.
    """

    rate_hz: int
    channels: int
    promised_frames: int | None

    def read(self, frames: int) -> Samples:
        """The next frames, one row each with a column a channel; none at the end.

        Raises InvalidRequest where the file is damaged.
        """
        ...

    def close(self) -> None:
        """Nothing more is read. May be called twice."""
        ...


def damaged(reason: str) -> InvalidRequest:
    """The refusal of a file that begins like sound and is not whole."""
    return InvalidRequest(
        f"The sound cannot be read: {reason}.",
        hint="Play the file to see whether it is whole, or convert it to WAV.",
        param=PARAM,
    )
