"""Tells speech from other sound: Silero's detector, as mlx-audio has it.

The library computes a thirtieth of a second at a time. Only one layer needs what was before, so
here seconds are computed at once, to the same numbers.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import mlx.core as mx
import mlx.nn as nn
import numpy as np
from mlx.utils import tree_flatten, tree_map
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from mlx_gui.core.errors import LoadFailed
from mlx_gui.engines.folder import weight_errors
from mlx_gui.engines.sound.mono import RATE_HZ
from mlx_gui.engines.sound.source import Samples
from mlx_gui.engines.transcription.mlx_audio import load_detector_model
from mlx_gui.kinds.checkpoint import read_tensors

_FAMILY = "silero_vad"
_BRANCH = "vad_16k"
_CHUNKS_AT_ONCE = 64
"""Two seconds: where there is speech, no more is computed as a rule."""


class SpeechDetector:
    """`model` is mlx-audio's. For the thread of MLX."""

    def __init__(self, model: Any) -> None:
        config = model.config
        self._branch = model.vad_16k
        self._threshold = float(config.threshold)
        chunk_ms = 1000 * self._branch.config.chunk_size / RATE_HZ
        self._least_chunks = max(round(config.min_speech_duration_ms / chunk_ms), 1)

    def hears_speech(self, samples: Samples) -> bool:
        """Whether there is as much speech in `samples` as the shortest that the model counts."""
        chunks = 0
        for chances in self.chances(samples):
            chunks += int(np.count_nonzero(chances >= self._threshold))
            if chunks >= self._least_chunks:
                return True
        return False

    def chances(self, samples: Samples) -> Iterator[NDArray[np.float32]]:
        """How surely each thirtieth of a second is speech, some of them at once."""
        config = self._branch.config
        size, context = config.chunk_size, config.context_size
        padded = np.pad(samples, (context, -len(samples) % size))
        windows = sliding_window_view(padded, context + size)[::size]
        hidden: mx.array | None = None
        cell: mx.array | None = None
        for start in range(0, len(windows), _CHUNKS_AT_ONCE):
            heard = self._features(np.ascontiguousarray(windows[start : start + _CHUNKS_AT_ONCE]))
            count, steps, width = heard.shape
            states, cells = self._branch.lstm(
                heard.reshape(1, count * steps, width), hidden=hidden, cell=cell
            )
            hidden, cell = states[:, -1], cells[:, -1]
            chances = mx.sigmoid(self._branch.final_conv(nn.relu(states)))
            yield np.array(chances.reshape(count, steps).mean(axis=1))

    def _features(self, windows: NDArray[np.float32]) -> mx.array:
        """What the layers before the one with a memory make of each window."""
        branch, pad = self._branch, self._branch.config.pad
        # Reflected at the end, where numpy wants both sides named.
        reflected = np.pad(windows, ((0, 0), (0, pad)), mode="reflect")
        spectrum = branch.stft_conv(mx.array(reflected)[..., None])
        real, imaginary = mx.split(spectrum, [branch.config.cutoff], axis=-1)
        heard = mx.sqrt(real * real + imaginary * imaginary)
        for layer in (branch.conv1, branch.conv2, branch.conv3, branch.conv4):
            heard = nn.relu(layer(heard))
        return heard


def load_detector(folder: Path) -> SpeechDetector:
    """The detector in `folder`, in 32 bits. Raises LoadFailed."""
    with weight_errors(folder.name):
        model: Any = load_detector_model(folder, lazy=True, model_type=_FAMILY, model_name_parts=[])
        there = {tensor.name for tensor in read_tensors(folder)}
        wanted: Any = tree_flatten(getattr(model, _BRANCH).parameters())
        if lacking := sorted({f"{_BRANCH}.{name}" for name, _ in wanted} - there):
            # The library would go on with random numbers.
            raise LoadFailed(
                f"{folder.name}, which is to tell speech from other sound, lacks {lacking[0]}.",
                hint="Remove it, or install it again. Without one, loudness and tone decide.",
            )
        model.update(tree_map(lambda array: array.astype(mx.float32), model.parameters()))
        mx.eval(getattr(model, _BRANCH).parameters())
    return SpeechDetector(model)
