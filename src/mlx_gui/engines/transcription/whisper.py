"""Whisper, window by window: what `mlx_audio`'s own `generate` does, in pieces.

A window begins where the last complete segment of the one before has ended, so nothing is heard
twice and nothing is cut.
"""

import time
from collections.abc import Generator
from dataclasses import dataclass, field
from typing import Any

import mlx.core as mx
import msgspec

from mlx_gui.core.errors import CapabilityMissing
from mlx_gui.engines.sound.feed import SoundFeed
from mlx_gui.engines.transcription.hearing import Heard, Listening, Needs, Times
from mlx_gui.engines.transcription.languages import language_code
from mlx_gui.engines.transcription.mel import (
    LEAD_SAMPLES,
    TAIL_SAMPLES,
    WINDOW_SAMPLES,
    MelWindows,
)
from mlx_gui.engines.transcription.mlx_audio import (
    HOP_LENGTH,
    LANGUAGES,
    N_FRAMES,
    SAMPLE_RATE,
    TO_LANGUAGE_CODE,
    DecodingOptions,
    add_word_timestamps,
)
from mlx_gui.engines.transcription.silence import SaysNothing
from mlx_gui.engines.transcription.whisper_decoding import Decoded, decode, temperatures_from
from mlx_gui.engines.transcription.whisper_segments import Window, cut
from mlx_gui.engines.transcription.whisper_window import (
    KnownTokenizer,
    WindowModel,
    tokenizer_of,
)
from mlx_gui.kinds.transcription import HeardSegment, HeardWord, TranscribeRequest

_LEAST_FRAMES = 10
"""What is left of a sound is left unheard if it is less: a tenth of a second."""
_WARM = 0.5
"""What was written at a higher temperature is not shown to the next window."""


class WhisperRecogniser:
    """See `hearing.Recogniser`. `model` is mlx-audio's, its weights held in `dtype`."""

    def __init__(
        self, model: Any, dtype: mx.Dtype, model_id: str, *, says_nothing: SaysNothing
    ) -> None:
        self._model = model
        self._says_nothing = says_nothing
        self._dtype = dtype
        self._model_id = model_id
        count = model.num_languages if model.is_multilingual else 1
        self._codes = tuple(LANGUAGES)[:count]

    def check(self, asked: TranscribeRequest) -> TranscribeRequest:
        if asked.translate and not self._model.is_multilingual:
            raise CapabilityMissing(
                f"{self._model_id} knows English only and cannot translate.",
                hint="Ask a Whisper model without `.en` in its name.",
                param="model",
            )
        if asked.language is None:
            return asked
        code = language_code(asked.language, codes=self._codes, names=TO_LANGUAGE_CODE)
        return msgspec.structs.replace(asked, language=code)

    def listen(self, asked: TranscribeRequest, feed: SoundFeed, times: Times) -> Listening:
        return _Listener(self._model, self._dtype, self._says_nothing, asked, feed, times).listen()


@dataclass(slots=True)
class _Listener:
    """One sound. `seek` is the frame that the next window begins with."""

    model: Any
    dtype: mx.Dtype
    says_nothing: SaysNothing
    asked: TranscribeRequest
    feed: SoundFeed
    times: Times
    language: str | None = None
    seek: int = 0
    told: list[int] = field(default_factory=list[int])
    last_end_s: float = 0.0
    last_word_end_s: float = 0.0
    tokenizer: KnownTokenizer | None = None

    def listen(self) -> Listening:
        mels = MelWindows(self.model.dims.n_mels)
        while True:
            start = self.seek * HOP_LENGTH
            lead = min(LEAD_SAMPLES, start)
            needs = Needs(start - lead, lead + WINDOW_SAMPLES + TAIL_SAMPLES)
            yield needs
            samples = self.feed.window(needs.start, needs.count)
            content = samples[lead : lead + WINDOW_SAMPLES]
            frames = min(len(content) // HOP_LENGTH, N_FRAMES)
            if frames < _LEAST_FRAMES:
                return self.language or self.asked.language or "en"
            if self.says_nothing(content):
                self.seek += frames
                yield Heard("", self._seek_s)
                continue
            mel = mels.window(samples, lead=lead, frames=frames).astype(self.dtype)
            yield from self._hear(mel, frames)

    @property
    def _seek_s(self) -> float:
        return self.seek * HOP_LENGTH / SAMPLE_RATE

    def _hear(self, mel: mx.array, frames: int) -> Generator[Heard | None]:
        """What the window with this spectrogram says; `seek` is where the next one begins."""
        features = self._encoded(mel)
        yield None
        tokenizer = self.tokenizer or self._begin(features)
        model = WindowModel(self.model, tokenizer, features)
        decoded = yield from self._decoded(model)
        began_s = time.monotonic()
        if decoded.silent:
            self.seek += frames
            yield Heard("", self._seek_s)
            return
        window = Window(self.seek, frames)
        segments, advance = cut(decoded, window, tokenizer)
        self.seek += advance
        if self.asked.words:
            self._time_words(segments, window, model, mel)
        said = [each for each in segments if each["text"].strip() and each["start"] < each["end"]]
        ids = [token for each in said for token in each["tokens"]]
        self._remember(ids, decoded)
        heard = Heard(
            text="".join(each["text"] for each in said),
            until_s=self._seek_s,
            segments=tuple(self._segment(each, decoded) for each in said),
            words=tuple(_word(each) for segment in said for each in segment.get("words", ())),
            token_count=len(decoded.tokens),
        )
        self.times.writing_ms += _since_ms(began_s)
        yield heard

    def _encoded(self, mel: mx.array) -> mx.array:
        began_s = time.monotonic()
        features = self.model.encoder(mel[None])
        mx.eval(features)
        self.times.reading_ms += _since_ms(began_s)
        return features

    def _begin(self, features: mx.array) -> KnownTokenizer:
        """Find the language out where nobody has said it, and take the prompt in.

        Returns the tokenizer for that language.
        """
        self.language = self.asked.language
        if self.language is None and self.model.is_multilingual:
            _, (chances,) = self.model.detect_language(features)
            self.language = max(chances, key=chances.__getitem__)
        self.language = self.language or "en"
        self.tokenizer = tokenizer_of(self.model, language=self.language, task=self._task)
        if prompt := self.asked.prompt.strip():
            self.told = self.tokenizer.text_ids(f" {prompt}")
        return self.tokenizer

    @property
    def _task(self) -> str:
        return "translate" if self.asked.translate else "transcribe"

    def _decoded(self, model: WindowModel) -> Generator[None, None, Decoded]:
        """The window at the first temperature that does well, else at the last."""
        decoded: Decoded | None = None
        for temperature in temperatures_from(self.asked.temperature):
            options = DecodingOptions(
                task=self._task,
                language=self.language,
                temperature=temperature,
                prompt=self.told,
                fp16=self.dtype == mx.float16,
            )
            attempt = decode(model, options, seed=self.seek)
            while True:
                began_s = time.monotonic()
                try:
                    next(attempt)
                except StopIteration as ended:
                    decoded = ended.value
                    break
                finally:
                    self.times.writing_ms += _since_ms(began_s)
                yield
            assert decoded is not None, "the generator returns one"
            if not decoded.failed:
                break
            yield
        assert decoded is not None, "there is a temperature at least"
        return decoded

    def _time_words(
        self, segments: list[dict[str, Any]], window: Window, model: WindowModel, mel: mx.array
    ) -> None:
        """Add the times of words, and begin the next window behind the last of them."""
        if not segments:
            return
        add_word_timestamps(
            segments=segments,
            model=model,  # pyright: ignore[reportArgumentType]
            tokenizer=model.tokenizer,
            mel=mel,
            num_frames=window.frames,
            last_speech_timestamp=self.last_word_end_s,
        )
        ends_s = [word["end"] for segment in segments for word in segment["words"]]
        last_s = ends_s[-1] if ends_s else segments[-1]["end"]
        if window.open_ended and last_s > window.start_s:
            self.seek = min(
                max(round(last_s * SAMPLE_RATE / HOP_LENGTH), window.seek + 1),
                window.seek + window.frames,
            )
        self.last_word_end_s = last_s

    def _remember(self, ids: list[int], decoded: Decoded) -> None:
        """What the next window is told of those before."""
        if decoded.temperature > _WARM:
            self.told = []
            return
        most = self.model.dims.n_text_ctx // 2
        self.told = [*self.told, *ids][-most:]

    def _segment(self, segment: dict[str, Any], decoded: Decoded) -> HeardSegment:
        return HeardSegment(
            text=segment["text"],
            start_s=segment["start"],
            end_s=segment["end"],
            tokens=tuple(segment["tokens"]),
            mean_logprob=decoded.mean_logprob,
            compression_ratio=decoded.compression_ratio,
            no_speech_chance=decoded.no_speech_chance,
            temperature=decoded.temperature,
            seek=segment["seek"],
        )


def _word(word: dict[str, Any]) -> HeardWord:
    return HeardWord(word["word"].strip(), float(word["start"]), float(word["end"]))


def _since_ms(began_s: float) -> float:
    return (time.monotonic() - began_s) * 1000
