"""What all families have in common: they say a text in pieces."""

from collections.abc import Generator
from dataclasses import dataclass
from typing import Protocol

from mlx_gui.engines.sound.source import Samples
from mlx_gui.kinds.speech import SpeakRequest


@dataclass(frozen=True, slots=True)
class Spoken:
    """The next piece of sound, of one channel.

    The tokens are those of the text that were read for it, and those that were made of sound.
    """

    samples: Samples
    read_tokens: int = 0
    made_tokens: int = 0


@dataclass(slots=True)
class Times:
    """Where the time of a request went, in milliseconds."""

    reading_ms: float = 0.0
    speaking_ms: float = 0.0


Speaking = Generator[Spoken | None, None, None]
"""Between two of its steps others may have their turn: None is only a pause."""


class Speaker(Protocol):
    """A loaded model that speaks."""

    rate_hz: int
    """Of its samples."""

    def check(self, asked: SpeakRequest) -> SpeakRequest:
        """`asked` as this model understands it, with a voice of its own. Raises InvalidRequest.

        Called on the preparation thread.
        """
        ...

    def speak(self, asked: SpeakRequest, times: Times) -> Speaking:
        """The text of `asked`, which has passed `check`. On the thread of MLX."""
        ...
