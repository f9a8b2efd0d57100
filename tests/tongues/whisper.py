"""A multilingual Whisper of one layer, which hears by a tone in which language something is said.

Its decoder is trained on every sound, in every language and task that it may be asked for. Of the
vocabulary only tokens that occur are trained; all others are rows of zeros, which the loss counts.
"""

from pathlib import Path
from typing import Any

import mlx.core as mx
import mlx.nn as nn
import numpy as np
from mlx.utils import tree_flatten
from mlx_audio.stt.models.whisper.audio import N_FRAMES, N_SAMPLES, log_mel_spectrogram, pad_or_trim
from mlx_audio.stt.models.whisper.whisper import Model, ModelDimensions
from tokenizers import Tokenizer

from tests.real.whisper import config_of, write_texts
from tests.tones.fitting import fit
from tests.tongues.sounds import SAID_S, TEXTS, said
from tests.tongues.vocabulary import SIZE, tokenizer_of

_WIDTH, _HEADS, _MELS = 64, 2, 80
_CONTEXT = 64
_TAKES = 4
"""So many times each sound is there."""
_BATCH = 12
_LOUD = 6.0
"""Else the places of frames drown what is heard in them."""
_TASKS = ("transcribe", "translate")


def train(folder: Path) -> None:
    """Fills `folder` with the model."""
    tokenizer = tokenizer_of([f" {text}" for text in TEXTS.values()])
    rows, known = _rows(tokenizer)
    mx.random.seed(0)
    model: Any = Model(_dimensions(len(known)), mx.float32)
    for layer in (model.encoder.conv1, model.encoder.conv2):
        layer.weight = layer.weight * _LOUD
    places = mx.random.normal(model.decoder.positional_embedding.shape) * 0.1
    model.decoder.positional_embedding = places
    model.freeze()
    model.decoder.unfreeze()
    dice = np.random.default_rng(0)
    heard = _heard(model, dice)

    def batch(_: int) -> tuple[mx.array, ...]:
        chosen = dice.choice(len(rows), _BATCH, replace=False)
        ids, counts, sounds = zip(*(rows[at] for at in chosen), strict=True)
        takes = [sound * _TAKES + int(dice.integers(_TAKES)) for sound in sounds]
        return mx.array(np.stack(ids)), mx.array(np.stack(counts)), heard[mx.array(takes)]

    fit(model, _loss, batch, rate=3e-3, steps=600, learnt=0.004)
    _save(model, known, tokenizer, folder)


def _dimensions(vocabulary: int) -> ModelDimensions:
    return ModelDimensions(
        n_mels=_MELS,
        n_audio_ctx=1500,
        n_audio_state=_WIDTH,
        n_audio_head=_HEADS,
        n_audio_layer=1,
        n_vocab=vocabulary,
        n_text_ctx=_CONTEXT,
        n_text_state=_WIDTH,
        n_text_head=_HEADS,
        n_text_layer=1,
    )


def _heard(model: Any, dice: np.random.Generator) -> mx.array:
    """What the encoder, which stays as it came, makes of all takes of all sounds."""
    encoded: list[mx.array] = []
    for language in TEXTS:
        for _ in range(_TAKES):
            samples = mx.array(said(language, dice))
            mel = log_mel_spectrogram(samples, n_mels=_MELS, padding=N_SAMPLES)
            encoded.append(model.encoder(pad_or_trim(mel, N_FRAMES, axis=-2)[None]))
            mx.eval(encoded[-1])
    return mx.concatenate(encoded)


def _rows(tokenizer: Tokenizer) -> tuple[list[tuple[Any, Any, int]], list[int]]:
    """Of each sound, language and task: the tokens by their places in the ids that are known, which
    of them count, and the number of the sound; and those ids."""
    written: list[tuple[list[int], list[float], int]] = []
    for sound, spoken in enumerate(TEXTS):
        for language in TEXTS:
            for task in _TASKS:
                text = TEXTS["en" if task == "translate" else language]
                before = ["<|startoftranscript|>", f"<|{language}|>", f"<|{task}|>", "<|0.00|>"]
                after = [f"<|{SAID_S:.2f}|>", "<|endoftext|>"]
                said_ids: list[int] = tokenizer.encode(f" {text}", add_special_tokens=False).ids
                ids = [*_ids(tokenizer, before), *said_ids, *_ids(tokenizer, after)]
                # Which language it is, is told by the sound; which task, by nothing.
                counts = [float(language == spoken), 0.0, *[1.0] * (len(ids) - 3)]
                written.append((ids, counts, sound))
    known = sorted({token for ids, _, _ in written for token in ids})
    places = {token: place for place, token in enumerate(known)}
    longest = max(len(ids) for ids, _, _ in written)
    return [
        (
            np.pad([places[token] for token in ids], (0, longest - len(ids))),
            np.pad(counts, (0, longest - 1 - len(counts))).astype(np.float32),
            sound,
        )
        for ids, counts, sound in written
    ], known


def _ids(tokenizer: Tokenizer, names: list[str]) -> list[int]:
    ids = [tokenizer.token_to_id(name) for name in names]
    assert None not in ids
    return [each for each in ids if each is not None]


def _loss(model: Any, ids: mx.array, counts: mx.array, heard: mx.array) -> mx.array:
    logits, _, _ = model.decoder(ids[:, :-1], heard)
    # All that are not known have the logit 0.
    others = mx.full((*logits.shape[:-1], 1), float(np.log(SIZE - model.dims.n_vocab)))
    losses = nn.losses.cross_entropy(mx.concatenate([logits, others], axis=-1), ids[:, 1:])
    return (losses * counts).sum() / counts.sum()


def _save(model: Any, known: list[int], tokenizer: Tokenizer, folder: Path) -> None:
    weights: Any = tree_flatten(model.parameters(), destination={})
    all_rows = mx.zeros((SIZE, _WIDTH))
    all_rows[mx.array(known)] = weights["decoder.token_embedding.weight"]
    weights["decoder.token_embedding.weight"] = all_rows
    stored = {name: value.astype(mx.float16) for name, value in weights.items()}
    mx.save_safetensors(str(folder / "model.safetensors"), stored, metadata={"format": "mlx"})
    shapes = {name: tuple(value.shape) for name, value in stored.items()}
    write_texts(folder, config_of(shapes, _HEADS, tokenizer), tokenizer, alignment_heads=[[0, 0]])
