"""NVIDIA's Parakeet, chunk by chunk: neighbours overlap, and are joined where both heard the same.

The library reads a whole file in one attention unless it is told otherwise, and knows no cancel.
"""

import time
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

import mlx.core as mx

from mlx_gui.core.errors import CapabilityMissing
from mlx_gui.engines.sound.feed import SoundFeed
from mlx_gui.engines.sound.mono import RATE_HZ
from mlx_gui.engines.transcription.hearing import Heard, Listening, Needs, Times
from mlx_gui.engines.transcription.mlx_audio import (
    AlignedToken,
    merge_longest_common_subsequence,
    merge_longest_contiguous,
    tokens_to_sentences,
)
from mlx_gui.engines.transcription.silence import SaysNothing
from mlx_gui.kinds.transcription import HeardSegment, HeardWord, TranscribeRequest

CHUNK_S = 30
OVERLAP_S = 5
_LEAST_SAMPLES = RATE_HZ // 10
_ENGLISH_TOKENS = 1024
"""The vocabulary of those that know English only; others know 25 languages and do not say which."""
UNDETERMINED = "und"


class ParakeetRecogniser:
    """See `hearing.Recogniser`. `model` is mlx-audio's, whose weights have `dtype`."""

    def __init__(
        self, model: Any, dtype: mx.Dtype, model_id: str, *, says_nothing: SaysNothing
    ) -> None:
        self._model = model
        self._says_nothing = says_nothing
        self._dtype = dtype
        self._model_id = model_id
        self._knows_english_only = len(model.vocabulary) <= _ENGLISH_TOKENS

    def check(self, asked: TranscribeRequest) -> TranscribeRequest:
        if asked.translate:
            raise CapabilityMissing(
                f"{self._model_id} writes down what is said and cannot translate.",
                hint="Ask a multilingual Whisper model.",
                param="model",
            )
        return asked

    def listen(self, asked: TranscribeRequest, feed: SoundFeed, times: Times) -> Listening:
        yield from _Listener(self._model, self._dtype, self._says_nothing, feed, times).listen()
        return "en" if self._knows_english_only else asked.language or UNDETERMINED


@dataclass(slots=True)
class _Listener:
    """One sound. `open` are tokens that the next chunk may change, `sentence` those of one that
    has not ended."""

    model: Any
    dtype: mx.Dtype
    says_nothing: SaysNothing
    feed: SoundFeed
    times: Times
    open: list[AlignedToken] = field(default_factory=list[AlignedToken])
    sentence: list[AlignedToken] = field(default_factory=list[AlignedToken])

    def listen(self) -> Listening:
        start, chunk = 0, CHUNK_S * RATE_HZ
        while True:
            yield Needs(start, chunk)
            samples = self.feed.window(start, chunk)
            total = self.feed.total
            last = total is not None and start + len(samples) >= total
            if len(samples) >= _LEAST_SAMPLES and not self.says_nothing(samples):
                began_s = time.monotonic()
                self._join(self._tokens(mx.array(samples, self.dtype), start))
                self.times.writing_ms += (time.monotonic() - began_s) * 1000
            next_start = start + chunk - OVERLAP_S * RATE_HZ
            settled_s = float("inf") if last else next_start / RATE_HZ - OVERLAP_S
            until_s = (start + len(samples) if last else next_start) / RATE_HZ
            yield self._settle(settled_s, until_s, last=last)
            if last:
                return ""
            start = next_start

    def _tokens(self, samples: mx.array, start: int) -> list[AlignedToken]:
        """What is in a chunk, with its times in the whole sound."""
        (result,) = self.model.decode(self.model._log_mel_spectrogram(samples))
        tokens = [token for sentence in result.sentences for token in sentence.tokens]
        for token in tokens:
            token.start += start / RATE_HZ
            token.end = token.start + token.duration
        return tokens

    def _join(self, tokens: list[AlignedToken]) -> None:
        if not self.open:
            self.open = tokens
            return
        try:
            self.open = merge_longest_contiguous(self.open, tokens, overlap_duration=OVERLAP_S)
        except RuntimeError:
            # Too little in a row is the same; what is the same at all is looked for then.
            self.open = merge_longest_common_subsequence(
                self.open, tokens, overlap_duration=OVERLAP_S
            )

    def _settle(self, before_s: float, until_s: float, *, last: bool) -> Heard:
        """What no later chunk can change: the tokens that end `before_s`."""
        count = next(
            (at for at, token in enumerate(self.open) if token.end > before_s), len(self.open)
        )
        settled, self.open = self.open[:count], self.open[count:]
        self.sentence += settled
        sentences = tokens_to_sentences(self.sentence) if self.sentence else []
        # The last one may go on.
        ended = sentences if last else sentences[:-1]
        self.sentence = [] if last else self.sentence[sum(len(each.tokens) for each in ended) :]
        return Heard(
            text="".join(token.text for token in settled),
            until_s=until_s,
            segments=tuple(
                HeardSegment(
                    each.text,
                    each.start,
                    each.end,
                    tokens=tuple(token.id for token in each.tokens),
                )
                for each in ended
            ),
            words=tuple(word for each in ended for word in _words(each.tokens)),
            token_count=len(settled),
        )


def _words(tokens: list[AlignedToken]) -> list[HeardWord]:
    """The words of a sentence; one begins with a space."""
    starts = [at for at, token in enumerate(tokens) if at == 0 or token.text.startswith(" ")]
    return [
        HeardWord(
            "".join(token.text for token in tokens[start:end]).strip(),
            tokens[start].start,
            tokens[end - 1].end,
        )
        for start, end in pairwise([*starts, len(tokens)])
    ]
