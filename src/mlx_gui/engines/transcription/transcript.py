"""Puts together what was heard piece by piece."""

from dataclasses import dataclass, field
from typing import TypeVar

import msgspec

from mlx_gui.engines.transcription.hearing import Heard
from mlx_gui.engines.transcription.languages import language_name
from mlx_gui.engines.transcription.mlx_audio import LANGUAGES
from mlx_gui.kinds.transcription import HeardSegment, HeardWord, Transcript

T = TypeVar("T", HeardSegment, HeardWord)


@dataclass(slots=True)
class TranscriptWriter:
    """The transcript of one sound as it grows; `words` says whether their times are wanted."""

    words: bool
    _texts: list[str] = field(default_factory=list[str])
    _segments: list[HeardSegment] = field(default_factory=list[HeardSegment])
    _words: list[HeardWord] = field(default_factory=list[HeardWord])

    def add(self, heard: Heard) -> str:
        """Take the next piece; returns its text as it follows on the texts before."""
        text = heard.text if self._texts else heard.text.lstrip()
        if text:
            self._texts.append(text)
        self._segments += heard.segments
        if self.words:
            self._words += heard.words
        return text

    def transcript(self, language: str, duration_s: float) -> Transcript:
        """All of it. Times grow and end with the sound, whatever the model thought."""
        return Transcript(
            text="".join(self._texts).strip(),
            language=language,
            duration_s=duration_s,
            segments=tuple(_in_order(self._segments, duration_s)),
            words=tuple(_in_order(self._words, duration_s)),
            language_name=language_name(language, names=LANGUAGES),
        )


def _in_order(heard: list[T], duration_s: float) -> list[T]:
    last_s = 0.0
    ordered: list[T] = []
    for each in heard:
        start_s = min(max(each.start_s, last_s), duration_s)
        end_s = min(max(each.end_s, start_s), duration_s)
        times = {"start_s": round(start_s, 3), "end_s": round(end_s, 3)}
        ordered.append(msgspec.structs.replace(each, **times))
        last_s = end_s
    return ordered
