"""The part of Qwen3-TTS that makes frames of codes: those of several texts at once.

The session that mlx-audio has for this gives the sound of a text when all of it is made, takes
caches apart with each frame, and draws for all texts from one row of random numbers. Here frames
come as they are made, caches stay together, and each text has random numbers of its own.
"""

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import mlx.core as mx
import mlx.nn as nn
from mlx_audio.lm.models.cache import BatchKVCache
from mlx_audio.lm.sample_utils import apply_top_k, apply_top_p

_PENALISED_TOKENS = 64
"""So many of those before are less likely to come again."""

Frame = list[int]
"""The codes of 80 ms of sound."""


@dataclass(slots=True, eq=False)
class Text:
    """A text that is told. `frames` are made and not taken yet; `key` is what is drawn from next.

    `pad` is what the model reads where the text has nothing more to say.
    """

    key: mx.array
    pad: mx.array
    frames: deque[Frame] = field(default_factory=deque[Frame])
    firsts: list[int] = field(default_factory=list[int])
    """The first code of each frame that was made."""
    ended: bool = False


class Talker:
    """Makes the frames of all texts that were added and have not ended, one of each in a step."""

    def __init__(self, model: Any) -> None:
        self._model = model
        self._talker = model.talker
        self._config = model.config.talker_config
        # What the files say, else the library's own numbers.
        options = model._resolve_generation_options(None, None, None, None, None)
        self._longest = int(options["max_tokens"])
        self._temperature = float(options["temperature"])
        self._top_k = int(options["top_k"])
        self._top_p = float(options["top_p"])
        self._penalty = float(options["repetition_penalty"])
        self._end = int(self._config.codec_eos_token_id)
        self._never = mx.array(model._suppress_codec_tokens(self._end))
        self._texts: list[Text] = []
        self._caches: list[Any] = []
        self._inputs: Any = None

    def add(self, read: mx.array, pad: mx.array, key: mx.array) -> Text:
        """Begin to tell what `read` are the vectors of; its first frame is made."""
        caches = self._talker.make_cache()
        logits, hidden = self._talker(read, cache=caches)
        text = Text(key, pad)
        inputs = self._made([text], logits, hidden)
        if not text.ended:
            self._join(text, inputs, [BatchKVCache.merge([each]) for each in caches])
        return text

    def step(self) -> None:
        """One more frame of each text."""
        cache = self._caches[0]
        left, total = cache.left_padding, cache._idx + 1
        places = mx.broadcast_to((total - 1 - left)[None, :, None], (3, len(self._texts), 1))
        mask = None
        if len(self._texts) > 1:
            mask = (mx.arange(total)[None] >= left[:, None])[:, None, None]
        logits, hidden = self._talker(self._inputs, places, mask, self._caches)
        self._inputs = self._made(self._texts, logits, hidden)
        self._keep([at for at, text in enumerate(self._texts) if not text.ended])

    def drop(self, text: Text) -> None:
        """Nothing more is made of `text`, which may have ended."""
        self._keep([at for at, each in enumerate(self._texts) if each is not text])

    def _join(self, text: Text, inputs: mx.array, caches: list[Any]) -> None:
        if not self._texts:
            self._inputs, self._caches = inputs, caches
        else:
            self._inputs = mx.concatenate([self._inputs, inputs])
            for ours, new in zip(self._caches, caches, strict=True):
                ours.extend(new)
        self._texts.append(text)

    def _keep(self, places: list[int]) -> None:
        if len(places) == len(self._texts):
            return
        self._texts = [self._texts[at] for at in places]
        if not places:
            self._caches, self._inputs = [], None
            return
        kept = mx.array(places)
        self._inputs = self._inputs[kept]
        for cache in self._caches:
            cache.filter(kept)

    def _made(self, texts: Sequence[Text], logits: mx.array, hidden: mx.array) -> mx.array:
        """Makes a frame of each text; returns what is read for the next ones."""
        predictor = self._talker.code_predictor
        codes = [self._drawn(self._first_logits(logits, texts), texts)]
        read = mx.concatenate(
            [hidden[:, -1:], self._talker.get_input_embeddings()(codes[0])], axis=1
        )
        cache = predictor.make_cache()
        for group in range(self._config.num_code_groups - 1):
            if group:
                read = predictor.codec_embedding[group - 1](codes[-1])
            more, cache, _ = predictor(read, cache=cache, generation_step=group)
            codes.append(self._drawn(more[:, -1], texts))
        pads = mx.concatenate([text.pad for text in texts])
        inputs = pads + self._model._codec_embeds_for_tokens(codes)
        frames: Any = mx.concatenate(codes, axis=1)
        mx.eval(inputs, frames, *(text.key for text in texts))
        for text, frame in zip(texts, frames.tolist(), strict=True):
            text.ended = frame[0] == self._end
            if not text.ended:
                text.frames.append(frame)
                text.firsts.append(frame[0])
                text.ended = len(text.firsts) >= self._longest
        return inputs

    def _first_logits(self, logits: mx.array, texts: Sequence[Text]) -> mx.array:
        """Of the first code of a frame: what no sound has never comes, what was is less likely."""
        last = logits[:, -1]
        never = mx.broadcast_to(self._never[None], (len(texts), len(self._never)))
        last = mx.put_along_axis(last, never, mx.array(-mx.inf, last.dtype), axis=-1)
        if self._penalty == 1.0:
            return last
        rows = [self._penalised(last[at : at + 1], text) for at, text in enumerate(texts)]
        return mx.concatenate(rows)

    def _penalised(self, row: mx.array, text: Text) -> mx.array:
        told = list(set(text.firsts[-_PENALISED_TOKENS:]))
        if not told:
            return row
        places = mx.array(told)[None]
        values = mx.take_along_axis(row, places, axis=-1)
        lower = mx.where(values < 0, values * self._penalty, values / self._penalty)
        return mx.put_along_axis(row, places, lower, axis=-1)

    def _drawn(self, logits: mx.array, texts: Sequence[Text]) -> mx.array:
        """A code for each text, by its own random numbers; one column."""
        if self._temperature <= 0:
            return mx.argmax(logits, axis=-1, keepdims=True)
        logits = logits / self._temperature
        if 0 < self._top_k < logits.shape[-1]:
            logits = apply_top_k(logits, self._top_k)
        if 0 < self._top_p < 1:
            logits = apply_top_p(nn.log_softmax(logits, axis=-1), self._top_p)
        drawn: list[mx.array] = []
        for at, text in enumerate(texts):
            text.key, now = mx.random.split(text.key)
            drawn.append(mx.random.categorical(logits[at : at + 1], key=now))
        return mx.concatenate(drawn)[:, None]
