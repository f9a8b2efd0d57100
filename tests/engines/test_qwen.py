"""The engine for models that speak on a tiny Qwen3-TTS, beside the plain library."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from mlx_gui.core.errors import InvalidRequest, LoadFailed
from mlx_gui.core.generation import Usage
from mlx_gui.kinds.speech import SpeakRequest
from tests.engines import speaking
from tests.engines.remote import Child, RemoteEngine
from tests.engines.speaking import Samples
from tests.voices.checkpoints import qwen3_tts

LONGEST = 24
FRAME = 16
ASKS = (
    SpeakRequest("Good morning.", "anna", "pcm", seed=3),
    SpeakRequest("The first one is here. A second follows.", "bert", "pcm", seed=2**63 - 1),
    SpeakRequest("3.14 … “日本”", None, "pcm", seed=7, instructions="Very happy."),
)


@pytest.fixture
def child(engine: RemoteEngine) -> Child:
    return engine.child


def pcm(samples: Samples) -> bytes:
    return np.rint(np.clip(samples, -1, 1) * 32_767).astype("<i2").tobytes()


def plain(child: Child, ask: SpeakRequest) -> Samples:
    assert ask.seed is not None
    voice = ask.voice or "anna"
    return child.call(speaking.plain_qwen, qwen3_tts(), ask.text, voice, ask.seed, ask.instructions)


def test_it_says_what_the_library_says(child: Child) -> None:
    for ask in ASKS:
        said = child.call(speaking.speak, qwen3_tts(), [ask])

        samples = plain(child, ask)
        assert 0.05 < np.abs(samples).max() < 1
        assert said.sound() == pcm(samples)
        usage = said.usage()
        assert usage.completion_tokens == len(samples) // FRAME
        assert usage.prompt_tokens > 0


def test_several_are_told_in_one_batch_and_each_as_if_alone(child: Child) -> None:
    # One comes in when the others have begun, and one leaves before them.
    said, most = child.call(speaking.speak_one_after_the_other, qwen3_tts(), ASKS)

    assert most == len(ASKS)
    for number, ask in enumerate(ASKS):
        assert said.sound(number) == pcm(plain(child, ask))
    assert set(said.turns()[:6]) == {0, 1, 2}


def test_how_it_is_to_speak_changes_what_it_says(child: Child) -> None:
    told = ASKS[2]
    alone = SpeakRequest(told.text, told.voice, "pcm", seed=told.seed)

    said = child.call(speaking.speak, qwen3_tts(), [told, alone])

    assert said.sound(0) != said.sound(1)


def test_a_long_text_is_told_in_pieces(child: Child) -> None:
    sentence = "A second follows, and it is longer. "
    long = SpeakRequest(sentence * 24, format="pcm", seed=4)

    said = child.call(speaking.speak, qwen3_tts(), [long])

    pieces = -(-len(long.text) // 400)
    assert pieces == 3
    assert said.usage().completion_tokens == pieces * LONGEST
    assert said.usage().prompt_tokens > 24 * 8


def test_who_is_cancelled_leaves_the_batch(child: Child) -> None:
    events, busy = child.call(speaking.speak_and_cancel, qwen3_tts(), ASKS[1])

    (usage,) = events
    assert isinstance(usage, Usage)
    assert usage.completion_tokens < LONGEST
    assert not busy
    assert child.call(speaking.speak, qwen3_tts(), [ASKS[0]]).sound() == pcm(plain(child, ASKS[0]))


def test_a_voice_that_it_does_not_have_is_refused(child: Child) -> None:
    with pytest.raises(InvalidRequest, match="its voices are: anna, bert"):
        child.call(speaking.refuse, qwen3_tts(), SpeakRequest("Good morning.", "clara"))


def _no_weights(folder: Path) -> None:
    (folder / "speech_tokenizer" / "model.safetensors").write_bytes(b"no weights")


def _no_json(folder: Path) -> None:
    (folder / "speech_tokenizer" / "config.json").write_text("{")


def _no_tokenizer(folder: Path) -> None:
    (folder / "tokenizer.json").write_text(json.dumps({"model": {}}))


@pytest.mark.parametrize("damage", [_no_weights, _no_json, _no_tokenizer])
def test_a_damaged_file_fails_the_load(
    child: Child, tmp_path: Path, damage: Callable[[Path], None]
) -> None:
    folder = tmp_path / "qwen"
    shutil.copytree(qwen3_tts(), folder)
    damage(folder)

    with pytest.raises(LoadFailed):
        child.call(speaking.engine_of, folder)
