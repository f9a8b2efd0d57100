"""What recognisers have in common: they listen to a sound in pieces and say what they heard."""

from collections.abc import Generator
from dataclasses import dataclass
from typing import Protocol

from mlx_gui.engines.sound.feed import SoundFeed
from mlx_gui.kinds.transcription import HeardSegment, HeardWord, TranscribeRequest


@dataclass(frozen=True, slots=True)
class Needs:
    """A recogniser cannot go on before so many samples from `start` on are there."""

    start: int
    count: int


@dataclass(frozen=True, slots=True)
class Heard:
    """More of what is said. `until_s` is how far into the sound it goes.

    `text` is what follows on all text before. `segments` and `words` may come later than the text
    that they hold.
    """

    text: str
    until_s: float
    segments: tuple[HeardSegment, ...] = ()
    words: tuple[HeardWord, ...] = ()
    token_count: int = 0


@dataclass(slots=True)
class Times:
    """Where the time of a request went, in milliseconds."""

    reading_ms: float = 0.0
    writing_ms: float = 0.0


Listening = Generator[Needs | Heard | None, None, str]
"""Between two of its steps others may have their turn: None is only a pause. Returns the language
that was heard."""


class Recogniser(Protocol):
    """A loaded model that writes down what is said."""

    def check(self, asked: TranscribeRequest) -> TranscribeRequest:
        """`asked` as this model understands it. Raises InvalidRequest and CapabilityMissing.

        Called on the preparation thread.
        """
        ...

    def listen(self, asked: TranscribeRequest, feed: SoundFeed, times: Times) -> Listening:
        """All that is said in the sound of `feed`. On the thread of MLX."""
        ...
