"""Whisper as mlx-audio's functions ask it for one window, without what is known already.

They read the whole vocabulary for each attempt, and encode a window again for the times of its
words.
"""

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import mlx.core as mx

from mlx_gui.engines.transcription.mlx_audio import HFTokenizerWrapper


class KnownTokenizer(HFTokenizerWrapper):
    """The library's tokenizer for one sound; what is looked for in the vocabulary is kept."""

    @cached_property
    def no_speech(self) -> int | None:  # pyright: ignore[reportIncompatibleMethodOverride]
        return super().no_speech

    @cached_property
    def non_speech_tokens(  # pyright: ignore[reportIncompatibleMethodOverride]
        self,
    ) -> tuple[int, ...]:
        return super().non_speech_tokens

    def text_ids(self, text: str) -> list[int]:
        """The tokens of `text`, without those of control tokens and times that it spells."""
        return [token for token in self.encode(text) if token < self.eot]


def tokenizer_of(model: Any, *, language: str, task: str) -> KnownTokenizer:
    """For a sound in `language`."""
    return KnownTokenizer(
        model.get_tokenizer().hf_tokenizer,
        multilingual=model.is_multilingual,
        num_languages=model.num_languages,
        language=language,
        task=task,
    )


@dataclass(frozen=True, slots=True)
class WindowModel:
    """`model` for the window whose encoded sound is `features`."""

    model: Any
    tokenizer: KnownTokenizer
    features: mx.array

    @property
    def dims(self) -> Any:
        return self.model.dims

    @property
    def decoder(self) -> Any:
        return self.model.decoder

    @property
    def alignment_heads(self) -> Any:
        return self.model.alignment_heads

    def get_tokenizer(self, *, language: str, task: str) -> KnownTokenizer:
        assert (language, task) == (self.tokenizer.language, self.tokenizer.task), "one for a sound"
        return self.tokenizer

    def forward_with_cross_qk(self, mel: mx.array, tokens: mx.array) -> tuple[mx.array, Any]:
        """What `tokens` get from the sound; `mel` is the spectrogram that it was encoded from."""
        logits, _, cross_qk = self.model.decoder(tokens, self.features)
        return logits, cross_qk
