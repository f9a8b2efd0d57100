"""A Parakeet TDT of one layer that writes tones as words.

It imitates one greedy path instead of a transducer's loss: each word sits on the frame after its
onset, jumps are at most four frames, and at most two from a blank one.
"""

import copy
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import mlx.core as mx
import mlx.nn as nn
import numpy as np
from mlx.utils import tree_flatten, tree_map
from mlx_audio.stt.models.parakeet.parakeet import Model, ModelConfig
from numpy.typing import NDArray

from tests.tones.fitting import fit
from tests.tones.signals import LEAD_S, RATE_HZ, WORDS, Samples, spoken

_VOCABULARY = ["<unk>", *(f"▁{word}" for word in WORDS), "."]
_BLANK = len(_VOCABULARY)
_JUMPS = [0, 1, 2, 3, 4]
_FRAME = 1280
"""Samples that one frame of the encoder stands for."""
_BATCH = 8
_LONGEST = 6
_EXAM = 16


def train(folder: Path, attempt: int) -> list[str]:
    """Fills `folder` with the model, its config as NeMo writes it, and returns what it mishears.

    Processors round differently, so that one loss is not one set of answers.
    """
    config = _config()
    mx.random.seed(attempt)
    model: Any = Model(ModelConfig.from_dict(copy.deepcopy(config)))
    dice = np.random.default_rng(attempt)
    fit(model, _loss, lambda step: _batch(model, step, dice), rate=3e-3, steps=500, learnt=0.015)
    weights: Any = tree_flatten(model.parameters(), destination={})
    stored = {
        name: value.astype(mx.bfloat16) if mx.issubdtype(value.dtype, mx.floating) else value
        for name, value in weights.items()
    }
    mx.save_safetensors(str(folder / "model.safetensors"), stored, metadata={"format": "mlx"})
    (folder / "config.json").write_text(json.dumps(config, indent=2), encoding="utf-8")
    model.load_weights(list(stored.items()))
    model.update(tree_map(lambda value: value.astype(mx.float32), model.parameters()))
    return list(_misheard(model))


def _misheard(model: Any) -> Iterator[str]:
    dice = np.random.default_rng(7)
    names = list(WORDS)
    for _ in range(_EXAM):
        asked = [names[at] for at in dice.integers(0, len(names), 5)]
        heard = model.generate(mx.array(spoken(asked)), dtype=mx.float32).text
        if heard != " ".join(asked):
            yield f"heard {heard!r} for {asked}"


def _config() -> dict[str, Any]:
    return {
        "target": "nemo.collections.asr.models.rnnt_bpe_models.EncDecRNNTBPEModel",
        "sample_rate": RATE_HZ,
        "model_defaults": {"tdt_durations": _JUMPS, "num_tdt_durations": len(_JUMPS)},
        "preprocessor": {
            "sample_rate": RATE_HZ,
            "normalize": "per_feature",
            "window_size": 0.025,
            "window_stride": 0.01,
            "window": "hann",
            "features": 128,
            "n_fft": 512,
            "dither": 1e-5,
            "pad_to": 0,
            "pad_value": 0.0,
        },
        "encoder": {
            "feat_in": 128,
            "n_layers": 1,
            "d_model": 64,
            "use_bias": False,
            "subsampling": "dw_striding",
            "subsampling_factor": 8,
            "subsampling_conv_channels": 16,
            "causal_downsampling": False,
            "ff_expansion_factor": 2,
            "self_attention_model": "rel_pos",
            "n_heads": 4,
            "xscaling": False,
            "pos_emb_max_len": 5000,
            "conv_kernel_size": 9,
        },
        "decoder": {
            "blank_as_pad": True,
            "vocab_size": _BLANK,
            "prednet": {"pred_hidden": 32, "pred_rnn_layers": 1},
        },
        "joint": {
            "num_classes": _BLANK,
            "vocabulary": _VOCABULARY,
            "num_extra_outputs": len(_JUMPS),
            "jointnet": {
                "joint_hidden": 48,
                "activation": "relu",
                "encoder_hidden": 64,
                "pred_hidden": 32,
            },
        },
        "decoding": {"model_type": "tdt", "durations": _JUMPS, "greedy": {"max_symbols": 10}},
    }


def _sample(words: list[str], dice: np.random.Generator) -> tuple[Samples, list[tuple[int, int]]]:
    """A sound of `words`, and the frame and token of each that is whole in it."""
    parts = [np.zeros(int(dice.uniform(0.15, 0.5) * RATE_HZ), np.float32)]
    onsets: list[tuple[int, int]] = []
    length = int((0.75 * len(words) + 0.5) * RATE_HZ)
    lead = int(LEAD_S * RATE_HZ)
    for word in words:
        sound = spoken([word], dice)[lead:]
        frame = sum(map(len, parts)) // _FRAME
        if frame < length // _FRAME - 3:
            onsets.append((frame + 1, _VOCABULARY.index(f"▁{word}")))
        parts.append(sound)
    whole = np.concatenate(parts)[:length]
    whole = np.pad(whole, (0, length - len(whole)))
    noise = 10 ** dice.uniform(-4.5, -3) * dice.standard_normal(length)
    return (whole + noise).astype(np.float32), onsets


def _batch(model: Any, step: int, dice: np.random.Generator) -> tuple[mx.array, ...]:
    count = (1, 4, 2, 5, 3, 1)[step % 6]
    names = list(WORDS)
    samples = [
        _sample([names[at] for at in dice.integers(0, len(names), count)], dice)
        for _ in range(_BATCH)
    ]
    mel = mx.concatenate([model._log_mel_spectrogram(mx.array(sound)) for sound, _ in samples])
    frames = mel.shape[1]
    for _ in range(3):
        frames = (frames - 1) // 2 + 1
    paths = [_path(onsets, frames) for _, onsets in samples]
    return mel, *(mx.array(np.stack(each)) for each in zip(*paths, strict=True))


def _path(onsets: list[tuple[int, int]], frames: int) -> tuple[NDArray[Any], ...]:
    """Of each visited frame: which it is, words before it, token, jump, whether it counts; and
    the words."""
    tokens = np.full(frames, _BLANK, np.int32)
    for frame, token in onsets:
        tokens[min(frames - 1, frame)] = token
    words = [int(token) for token in tokens if token != _BLANK]
    said = np.full(_LONGEST, _BLANK, np.int32)
    said[1 : len(words) + 1] = words[: _LONGEST - 1]
    visited, before, wanted, jumps = (np.zeros(frames, np.int32) for _ in range(4))
    wanted[:] = _BLANK
    counts = np.zeros(frames, np.float32)
    at = number = heard = 0
    while at < frames and number < frames:
        following = next((i for i in range(at + 1, frames) if tokens[i] != _BLANK), frames)
        jump = min(4 if tokens[at] != _BLANK else 2, following - at)
        visited[number], before[number], wanted[number] = at, heard, tokens[at]
        jumps[number], counts[number] = jump, 1
        heard = min(heard + (tokens[at] != _BLANK), _LONGEST - 1)
        at, number = at + jump, number + 1
    return visited, before, wanted, jumps, counts, said


def _loss(
    model: Any,
    mel: mx.array,
    visited: mx.array,
    before: mx.array,
    wanted: mx.array,
    jumps: mx.array,
    counts: mx.array,
    said: mx.array,
) -> mx.array:
    heard, _ = model.encoder(mel)
    features = _gathered(heard, visited)
    prediction = model.decoder.prediction
    embedded = mx.where((said == _BLANK)[..., None], 0.0, prediction["embed"](said))
    states, _ = prediction["dec_rnn"](embedded)
    joint = model.joint
    joined = joint.enc(features) + joint.pred(_gathered(states, before))
    for layer in joint.joint_net:
        joined = layer(joined)
    tokens = nn.losses.cross_entropy(joined[..., : _BLANK + 1], wanted) * counts
    ahead = nn.losses.cross_entropy(joined[..., _BLANK + 1 :], jumps) * counts
    return (tokens.sum() + 0.5 * ahead.sum()) / counts.sum()


def _gathered(rows: mx.array, places: mx.array) -> mx.array:
    wide = mx.broadcast_to(places[..., None], (*places.shape, rows.shape[-1]))
    return mx.take_along_axis(rows, wide, axis=1)
