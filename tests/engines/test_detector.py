"""Silero's detector beside the plain library, and what models make of music with it."""

import json
from pathlib import Path

import numpy as np
import pytest
import soundfile
from safetensors.numpy import load_file, save_file

from mlx_gui.core.errors import LoadFailed
from mlx_gui.kinds.transcription import TranscribeRequest
from tests.engines import listening
from tests.engines.remote import Child, RemoteEngine
from tests.engines.test_transcription import transcript_in, wav
from tests.real.silero import silero_vad
from tests.real.speech import BECKETT, beckett
from tests.real.whisper import whisper_tiny_en
from tests.tones.signals import RATE_HZ, Samples

NOTES_HZ = (220.0, 277.2, 329.6, 440.0)


@pytest.fixture
def child(engine: RemoteEngine) -> Child:
    return engine.child


def speech() -> Samples:
    return soundfile.read(beckett(), dtype="float32")[0]


def music(seconds: int) -> Samples:
    """Two notes a second with overtones, each dying away."""
    times = np.arange(RATE_HZ // 2) / RATE_HZ
    dice = np.random.default_rng(3)
    parts = [
        sum(np.sin(2 * np.pi * note * over * times) / over for over in (1, 2, 3, 4))
        * np.exp(-5 * times)
        for note in dice.choice(NOTES_HZ, 2 * seconds)
    ]
    return (0.2 * np.concatenate(parts)).astype(np.float32)


def test_its_chances_are_those_of_the_library(child: Child) -> None:
    # Not a whole number of chunks, and more than are computed at once.
    samples = speech()[: 5 * RATE_HZ + 100]

    ours, plain = child.call(listening.chances, silero_vad(), samples)

    assert len(ours) == -(-len(samples) // 512)
    assert np.abs(ours - plain).max() < 1e-5
    assert ours.max() > 0.9
    assert ours.min() < 0.1


@pytest.mark.parametrize(
    ("samples", "heard"),
    [
        (speech(), True),
        (0.05 * speech(), True),
        (np.concatenate([music(20), speech()]), True),
        (music(10), False),
        (np.zeros(RATE_HZ, np.float32), False),
        (np.zeros(1600, np.float32), False),
    ],
    ids=["speech", "quiet speech", "speech after music", "music", "silence", "a moment"],
)
def test_it_hears_speech_and_no_music(child: Child, samples: Samples, heard: bool) -> None:
    assert child.call(listening.hears_speech, silero_vad(), samples) == heard


def test_with_it_a_model_invents_nothing_where_there_is_music(child: Child) -> None:
    """Whisper hears windows of 30 s: music alone is in the first."""
    asked = TranscribeRequest(wav(np.concatenate([music(30), speech()])))

    told = child.call(listening.listen, whisper_tiny_en(), [asked, asked], "float32", silero_vad())

    for number in (0, 1):
        got = transcript_in(told.of(number))
        assert got.text == BECKETT
        assert got.segments[0].start_s >= 30


def test_one_that_lacks_weights_is_named_when_the_model_is_loaded(
    child: Child, tmp_path: Path
) -> None:
    weights = load_file(silero_vad() / "model.safetensors")
    del weights["vad_16k.lstm.bias"]
    save_file(weights, tmp_path / "model.safetensors")
    (tmp_path / "config.json").write_text(json.dumps({"model_type": "silero_vad"}))

    with pytest.raises(LoadFailed, match=r"lacks vad_16k\.lstm\.bias"):
        child.call(listening.engine_of, whisper_tiny_en(), "float32", tmp_path)
