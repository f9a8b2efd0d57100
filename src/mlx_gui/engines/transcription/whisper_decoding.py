"""Whisper's decoding of one window, in turns: others are served between two of its pieces.

What is decoded is as in mlx-audio's `DecodingTask`, whose parts are used; its loop is ours because
it cannot be left before its end.
"""

from collections.abc import Generator
from dataclasses import dataclass
from typing import Any, cast

import mlx.core as mx
import numpy as np

from mlx_gui.engines.transcription.mlx_audio import (
    DecodingOptions,
    DecodingTask,
    compression_ratio,
)
from mlx_gui.engines.transcription.whisper_window import WindowModel

_TOKENS_A_TURN = 32
_LONGEST_REPETITION = 2.4
_LEAST_MEAN_LOGPROB = -1.0
_NO_SPEECH = 0.6


@dataclass(frozen=True, slots=True)
class Decoded:
    """What one window says, and how sure the model is of it."""

    tokens: list[int]
    temperature: float
    mean_logprob: float
    no_speech_chance: float
    compression_ratio: float

    @property
    def silent(self) -> bool:
        """Whether the model itself takes the window for silence."""
        return self.no_speech_chance > _NO_SPEECH and self.mean_logprob <= _LEAST_MEAN_LOGPROB

    @property
    def failed(self) -> bool:
        """Whether another attempt is worth its time: it repeats itself, or guesses."""
        if self.no_speech_chance > _NO_SPEECH and self.mean_logprob < _LEAST_MEAN_LOGPROB:
            return False
        repeats = self.compression_ratio > _LONGEST_REPETITION
        return repeats or self.mean_logprob < _LEAST_MEAN_LOGPROB


def temperatures_from(temperature: float) -> tuple[float, ...]:
    """What is tried in turn: a temperature that was asked for alone, else always warmer ones."""
    return (temperature,) if temperature > 0 else (0.0, 0.2, 0.4, 0.6, 0.8, 1.0)


def decode(
    model: WindowModel, options: DecodingOptions, *, seed: int
) -> Generator[None, None, Decoded]:
    """What the window of `model` says; pauses every few tokens."""
    if options.temperature > 0:
        # The same sound gives the same text.
        mx.random.seed(seed)
    features = model.features
    task: Any = DecodingTask(model, options)  # pyright: ignore[reportArgumentType]
    start = task.sample_begin
    tokens = mx.array([list(task.initial_tokens)])
    logprobs = mx.zeros(1)
    tokens, completed, logprobs, first = _next(task, tokens, features, tokens, logprobs)
    no_speech = mx.array([mx.nan])
    if task.tokenizer.no_speech is not None:
        chances = mx.softmax(first[:, task.sot_index], axis=-1)
        no_speech = chances[:, task.tokenizer.no_speech]
    mx.async_eval(completed, tokens, logprobs, no_speech)
    for count in range(1, task.sample_len):
        if tokens.shape[-1] > task.n_ctx:
            break
        # One step ahead of what is looked at.
        ahead, ahead_completed, ahead_logprobs, _ = _next(
            task, tokens[:, -1:], features, tokens, logprobs
        )
        mx.async_eval(ahead_completed, ahead, ahead_logprobs)
        if completed.item():
            break
        tokens, completed, logprobs = ahead, ahead_completed, ahead_logprobs
        if count % _TOKENS_A_TURN == 0:
            yield
    ids = cast(list[int], tokens[0].tolist())[start:]
    eot = task.tokenizer.eot
    if eot in ids:
        ids = ids[: ids.index(eot)]
    return Decoded(
        tokens=ids,
        temperature=options.temperature,
        mean_logprob=float(np.array(logprobs)[0]) / (len(ids) + 1),
        no_speech_chance=float(np.array(no_speech)[0]),
        compression_ratio=_repetition(task.tokenizer.decode(ids).strip()),
    )


def _next(
    task: Any, inputs: mx.array, features: mx.array, tokens: mx.array, logprobs: mx.array
) -> tuple[mx.array, mx.array, mx.array, mx.array]:
    """One more token; with it whether that was the end, the sum of chances, and all logits."""
    all_logits = task.inference.logits(inputs, features)
    logits = all_logits[:, -1]
    for logit_filter in task.logit_filters:
        logits = logit_filter.apply(logits, tokens)
    tokens, completed, logprobs = task.decoder.update(tokens, logits, logprobs)
    return tokens, completed, logprobs, all_logits


def _repetition(text: str) -> float:
    return compression_ratio(text) if text else 0.0
