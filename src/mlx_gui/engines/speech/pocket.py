"""Pocket TTS of mlx-audio, frame by frame.

A text is read in pieces of some sentences. Each frame is a step of a language model over vectors of
sound, which the codec makes samples of. The codec keeps what it needs of earlier frames in its own
layers: each request has a copy of those, which shares the weights, so that several can be spoken
beside each other.
"""

import secrets
import time
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from importlib import import_module
from pathlib import Path
from typing import Any

import mlx.core as mx
import msgspec
import numpy as np

from mlx_gui.core.errors import InvalidRequest
from mlx_gui.engines.sound.source import Samples
from mlx_gui.engines.speech.own import own_copy
from mlx_gui.engines.speech.sentences import blocks, cut_to
from mlx_gui.engines.speech.speaking import Speaking, Spoken, Times
from mlx_gui.kinds.checkpoint import DamagedFile, read_header
from mlx_gui.kinds.speech import SpeakRequest
from mlx_gui.kinds.speech_files import default_voice, unknown_voice, voices_in

_LONGEST_TOKENS = 100
"""The library puts sentences together up to 50 tokens, and leaves a longer one as it is."""
_VOICE_TENSORS = ("emb", "audio_prompt")
_RECORDED = "speaker_wavs"
"""A voice that is not in the model's own terms yet."""


class PocketSpeaker:
    """See `speaking.Speaker`."""

    def __init__(self, model: Any, folder: Path, model_id: str) -> None:
        self.rate_hz = int(model.sample_rate)
        self._model = model
        self._folder = folder
        self._model_id = model_id
        self._library: Any = import_module(type(model).__module__)
        self._tokenizer = model.flow_lm.conditioner.tokenizer
        # The weights of some layers are kept a second time, in the form of the file.
        for layer in model.modules():
            if hasattr(layer, "update_in_place"):
                layer.update_in_place()
        model.flow_lm.cache_conditioning()

    def check(self, asked: SpeakRequest) -> SpeakRequest:
        voices = voices_in(self._folder)
        # Never left to the library, which would fetch one.
        voice = default_voice(voices) if asked.voice is None else asked.voice.lower()
        if voice not in voices:
            raise unknown_voice(self._model_id, voice, tuple(voices))
        self._check_voice(voice, voices[voice])
        return msgspec.structs.replace(asked, voice=voice)

    def speak(self, asked: SpeakRequest, times: Times) -> Speaking:
        model, codec, chance = self._model, own_copy(self._model.mimi), _Chance(asked.seed)
        began_s = time.perf_counter()
        with chance.taken():
            voice = voices_in(self._folder)[asked.voice or ""]
            state = model.get_state_for_audio_prompt(str(voice))
        voice_frames = model._get_flow_cache_num_frames(state)
        after_end: int | None = None
        for piece in self._pieces(asked.text):
            if after_end is None:
                # As in the library: what follows on the first piece's end follows on all.
                after_end = self._library.prepare_text_prompt(piece)[1] + 2
            model._slice_flow_cache(state, voice_frames)
            frames = model._generate_audio_stream_short_text(
                model_state=state, text_to_generate=piece, frames_after_eos=after_end
            )
            read_tokens = self._length(piece)
            times.reading_ms += (time.perf_counter() - began_s) * 1000
            while True:
                began_s = time.perf_counter()
                model.mimi = codec
                with chance.taken():
                    frame = next(frames, None)
                    if frame is None:
                        break
                    samples: Samples = np.array(frame, np.float32)
                times.speaking_ms += (time.perf_counter() - began_s) * 1000
                yield Spoken(samples, read_tokens, 1)
                read_tokens = 0

    def _check_voice(self, name: str, file: Path) -> None:
        """Raises InvalidRequest unless `file` holds a voice of this model."""
        try:
            tensors = {tensor.name: tensor.shape for tensor in read_header(file)}
        except (DamagedFile, OSError) as damage:
            raise InvalidRequest(
                f"The voice '{name}' of {self._model_id} cannot be read: {damage}",
                hint="Fetch the model again, or choose another voice.",
                param="voice",
            ) from None
        width = self._model.flow_lm.dim
        if _RECORDED in tensors or any(
            tensors.get(each, (0,))[-1] == width for each in _VOICE_TENSORS
        ):
            return
        raise InvalidRequest(
            f"The voice '{name}' is none of {self._model_id}: there are no vectors of {width} "
            f"numbers in {file.name}.",
            hint="Choose another voice.",
            param="voice",
        )

    def _pieces(self, text: str) -> Iterator[str]:
        """What is read at once, one after the other."""
        for block in blocks(text):
            for piece in self._library.split_into_best_sentences(self._tokenizer, block):
                if piece.strip():
                    yield from cut_to(piece, _LONGEST_TOKENS, self._length)

    def _length(self, text: str) -> int:
        return self._tokenizer(text).tokens.shape[1]


class _Chance:
    """The random numbers of one request, whatever others draw between its steps."""

    def __init__(self, seed: int | None) -> None:
        self._state = secrets.randbits(64) if seed is None else seed % 2**64

    @contextmanager
    def taken(self) -> Generator[None]:
        """Whatever is drawn within follows on what was drawn before."""
        mx.random.seed(self._state)
        yield
        # The library has one state for all, of two halves, which is the seed of what comes next.
        state: Any = mx.random.state
        high, low = state[0].tolist()
        self._state = high << 32 | low
