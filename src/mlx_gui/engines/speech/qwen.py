"""Qwen3-TTS of mlx-audio with voices of its own, frame by frame.

A language model makes frames of codes, those of all texts together, and a codec makes samples of
them. It keeps what it needs of earlier frames in its own layers, of which each text has a copy.
"""

import secrets
import time
from collections.abc import Iterator
from typing import Any

import mlx.core as mx
import msgspec
import numpy as np

from mlx_gui.engines.sound.source import Samples
from mlx_gui.engines.speech.own import own_copy
from mlx_gui.engines.speech.sentences import blocks
from mlx_gui.engines.speech.speaking import Speaking, Spoken, Times
from mlx_gui.engines.speech.talker import Frame, Talker, Text
from mlx_gui.kinds.speech import SpeakRequest
from mlx_gui.kinds.speech_files import unknown_voice

_PIECE_CHARACTERS = 400
"""Longer texts are told in pieces of whole sentences: the model forgets what it was to say."""
_FRAMES = 4
"""So many are made into samples at once, a third of a second."""
_LANGUAGE = "auto"


class QwenSpeaker:
    """See `speaking.Speaker`. `follows` says whether it is told how to speak."""

    def __init__(self, model: Any, model_id: str, *, follows: bool) -> None:
        self.rate_hz = int(model.sample_rate)
        self._model = model
        self._model_id = model_id
        self._follows = follows
        self._voices = tuple(each.lower() for each in model.supported_speakers)
        self._talker = Talker(model)
        self._codec = model.speech_tokenizer.decoder

    def check(self, asked: SpeakRequest) -> SpeakRequest:
        voice = self._voices[0] if asked.voice is None else asked.voice.lower()
        if voice not in self._voices:
            raise unknown_voice(self._model_id, voice, self._voices)
        return msgspec.structs.replace(asked, voice=voice)

    def speak(self, asked: SpeakRequest, times: Times) -> Speaking:
        model, talker = self._model, self._talker
        key = mx.random.key(secrets.randbits(63) if asked.seed is None else asked.seed % 2**64)
        for piece in blocks(asked.text, longest=_PIECE_CHARACTERS):
            began_s = time.perf_counter()
            read, _, pad = model._prepare_generation_inputs(
                piece,
                language=_LANGUAGE,
                speaker=asked.voice,
                instruct=asked.instructions if self._follows else None,
            )
            text = talker.add(read, pad, key)
            read_tokens = read.shape[1]
            times.reading_ms += _since_ms(began_s)
            try:
                for samples, frames in self._told(text, times):
                    yield None if samples is None else Spoken(samples, read_tokens, frames)
                    read_tokens = read_tokens if samples is None else 0
            finally:
                talker.drop(text)
            key = text.key

    def _told(self, text: Text, times: Times) -> Iterator[tuple[Samples | None, int]]:
        """The samples of `text` and how many frames they are; none where only frames were made."""
        codec = own_copy(self._codec)
        codec.reset_streaming_state()
        while True:
            began_s = time.perf_counter()
            if len(text.frames) < _FRAMES and not text.ended:
                self._talker.step()
                times.speaking_ms += _since_ms(began_s)
                yield None, 0
                continue
            taken = [text.frames.popleft() for _ in range(min(_FRAMES, len(text.frames)))]
            if not taken:
                return
            samples = _sound(codec, taken)
            times.speaking_ms += _since_ms(began_s)
            yield samples, len(taken)


def _sound(codec: Any, frames: list[Frame]) -> Samples:
    codes = mx.array(frames).T[None]
    return np.array(codec.streaming_step(codes)[0, 0].astype(mx.float32))


def _since_ms(began_s: float) -> float:
    return (time.perf_counter() - began_s) * 1000
