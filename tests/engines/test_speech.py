"""The engine for models that speak on a tiny Pocket TTS, beside the plain library."""

import json
import shutil
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
import soundfile

from mlx_gui.core.errors import CapabilityMissing, InvalidRequest, LoadFailed
from mlx_gui.core.generation import Audio, GenerateRequest, Usage
from mlx_gui.core.sound_format import SoundFormat
from mlx_gui.kinds.speech import SpeakRequest
from tests.engines import speaking
from tests.engines.remote import Child, RemoteEngine
from tests.engines.speaking import Said, Samples
from tests.support.soak import in_soak
from tests.unit.kinds.folders import write_safetensors
from tests.voices.checkpoints import pocket_tts

RATE_HZ = 24_000
FRAME = 1920
SHORT = "Good morning."
LONG = "The first one is here. A second follows, and it is longer! Is there a third? Yes."
ODD = "no capital, no end; 3.14 … “quotes” 日本語。 and\nlines"


@pytest.fixture
def child(engine: RemoteEngine) -> Child:
    return engine.child


def heard(sound: bytes) -> Samples:
    samples, rate_hz = soundfile.read(BytesIO(sound), dtype="float32")
    assert rate_hz == RATE_HZ
    return samples


def pcm(samples: Samples) -> bytes:
    return np.rint(np.clip(samples, -1, 1) * 32_767).astype("<i2").tobytes()


@pytest.mark.parametrize(
    ("text", "voice", "seed"),
    [
        (SHORT, "anna", 3),
        ("3.14 … “日本”", None, 7),
        # Sentences, and the largest seed, are looked at beside others every time.
        *(
            pytest.param(*each, marks=pytest.mark.soak)
            for each in ((SHORT, "bert", 2**63 - 1), (LONG, "anna", 5), (ODD, None, 7))
        ),
    ],
)
def test_it_says_what_the_library_says(
    child: Child, text: str, voice: str | None, seed: int
) -> None:
    ask = SpeakRequest(text, voice, "pcm", seed=seed)

    said = child.call(speaking.speak, pocket_tts(), [ask])

    plain = child.call(speaking.plain, pocket_tts(), text, voice, seed)
    assert np.abs(plain).max() > 0.01
    assert said.sound() == pcm(plain)
    usage = said.usage()
    assert usage.audio_ms == 1000 * len(plain) / RATE_HZ
    assert usage.completion_tokens == len(plain) // FRAME
    assert usage.prompt_tokens > 0
    assert usage.decode_ms > 0


ASKS = (
    SpeakRequest(LONG, "anna", "pcm", seed=5),
    SpeakRequest(SHORT, "bert", "pcm", seed=2**63 - 1),
    SpeakRequest(SHORT, "anna", "pcm", seed=3),
)


@pytest.fixture(scope="module")
def together(engine: RemoteEngine) -> Said:
    """What came of `ASKS`."""
    return engine.child.call(speaking.speak, pocket_tts(), ASKS)


def test_several_speak_beside_each_other_and_each_as_if_alone(child: Child, together: Said) -> None:
    for number, ask in enumerate(ASKS):
        assert ask.seed is not None
        plain = child.call(speaking.plain, pocket_tts(), ask.text, ask.voice, ask.seed)
        assert together.sound(number) == pcm(plain)
    # The short ones do not wait for the end of a sentence of the long one.
    turns = together.turns()
    assert turns[-1] == 0
    assert set(turns[:9]) == {0, 1, 2}


def test_without_a_seed_each_time_is_another(child: Child) -> None:
    ask = SpeakRequest(SHORT, format="pcm")

    said = child.call(speaking.speak, pocket_tts(), [ask, ask])

    assert len(said.sound(0)) == len(said.sound(1))
    assert said.sound(0) != said.sound(1)


@pytest.fixture(scope="module")
def in_formats(engine: RemoteEngine) -> dict[SoundFormat, bytes]:
    """The same in every format that is made here."""
    formats: list[SoundFormat] = ["wav", "flac", "mp3", "opus", "pcm"]
    asks = [SpeakRequest(SHORT, format=each, seed=4) for each in formats]
    said = engine.child.call(speaking.speak, pocket_tts(), asks)
    return {each: said.sound(number) for number, each in enumerate(formats)}


@pytest.mark.parametrize("format", ["wav", "flac", "mp3", "opus"])
def test_every_format_has_the_whole_of_it(
    in_formats: dict[SoundFormat, bytes], format: SoundFormat
) -> None:
    length = len(in_formats["pcm"]) // 2
    got, _ = soundfile.read(BytesIO(in_formats[format]), dtype="int16")
    assert length <= len(got) <= length + (4 * 1152 if format == "mp3" else 0)
    if format in ("wav", "flac"):
        assert got.tobytes() == in_formats["pcm"]


def test_a_speed_makes_it_shorter_or_longer(child: Child) -> None:
    speeds = (1.0, 0.25, 0.8, 4.0)
    asks = [SpeakRequest(SHORT, speed=each, seed=4) for each in speeds]

    said = child.call(speaking.speak, pocket_tts(), asks)

    usual, usual_ms = len(heard(said.sound(0))), said.usage(0).audio_ms
    for number, speed in enumerate(speeds):
        assert len(heard(said.sound(number))) == round(usual / speed)
        assert said.usage(number).audio_ms == pytest.approx(usual_ms / speed, abs=0.1)


def test_sound_comes_frame_by_frame(together: Said) -> None:
    pieces = [len(event.data) for event in together.of(0) if isinstance(event, Audio)]
    assert len(pieces) > 50
    assert max(pieces) < 2 * RATE_HZ


def test_what_is_cancelled_ends_at_once(child: Child) -> None:
    events, busy = child.call(speaking.speak_and_cancel, pocket_tts(), SpeakRequest(LONG))

    (usage,) = events
    assert isinstance(usage, Usage)
    assert usage.completion_tokens < 20
    assert not busy
    assert child.call(speaking.speak, pocket_tts(), [SpeakRequest(SHORT)]).sound()


@pytest.mark.parametrize(
    "text",
    [
        "! ? . ! ? .",
        "\u200b\u0301\U0001f600" * 12,
        "\0\x01 zero",
        "<|endoftext|> [STOP]",
        *in_soak("a" * 300, "word " * 24),
    ],
)
def test_a_strange_text_is_said_somehow(child: Child, text: str) -> None:
    said = child.call(speaking.speak, pocket_tts(), [SpeakRequest(text, format="pcm")])

    assert said.usage().completion_tokens > 0


@pytest.mark.parametrize(
    ("ask", "because"),
    [
        (SpeakRequest(" \n\t"), "nothing to say"),
        (SpeakRequest(SHORT, "clara"), "has no voice 'clara'; its voices are: anna, bert"),
        (SpeakRequest(SHORT, "../voices/anna"), "has no voice"),
        (SpeakRequest(SHORT, "hf://kyutai/x/alba.safetensors"), "has no voice"),
        (SpeakRequest(SHORT, "alba"), "has no voice"),
        (SpeakRequest(SHORT, format="aac"), "made on macOS alone"),
    ],
)
def test_what_it_cannot_say_is_refused(child: Child, ask: SpeakRequest, because: str) -> None:
    with pytest.raises(InvalidRequest, match=because):
        child.call(speaking.refuse, pocket_tts(), ask)


def test_a_voice_has_its_name_in_any_case(child: Child) -> None:
    asks = [SpeakRequest(SHORT, each, "pcm", seed=1) for each in ("ANNA", "anna")]

    said = child.call(speaking.speak, pocket_tts(), asks)

    assert said.sound(0) == said.sound(1)


def test_it_answers_nothing_else(child: Child) -> None:
    with pytest.raises(CapabilityMissing, match="of the kind 'speech'"):
        child.call(speaking.refuse, pocket_tts(), GenerateRequest(prompt="Hello"))


def test_a_voice_that_is_damaged_or_another_models_is_refused_alone(
    child: Child, tmp_path: Path
) -> None:
    folder = tmp_path / "pocket"
    shutil.copytree(pocket_tts(), folder)
    (folder / "voices" / "cut.safetensors").write_bytes(b"cut")
    write_safetensors(folder / "voices" / "other.safetensors", {"style": ("F32", (1, 256))})
    narrow = {"audio_prompt": ("F32", (1, 5, 32))}
    write_safetensors(folder / "voices" / "narrow.safetensors", narrow)

    for voice, because in (
        ("cut", "cannot be read"),
        ("other", "no vectors of 64 numbers"),
        ("narrow", "no vectors of 64 numbers"),
    ):
        with pytest.raises(InvalidRequest, match=because):
            child.call(speaking.refuse, folder, SpeakRequest(SHORT, voice))
    assert child.call(speaking.speak, folder, [SpeakRequest(SHORT, "anna")]).sound()


def test_a_tokenizer_that_is_not_there_is_not_fetched(child: Child, tmp_path: Path) -> None:
    folder = tmp_path / "pocket"
    shutil.copytree(pocket_tts(), folder)
    config = json.loads((folder / "config.json").read_text())
    config["flow_lm"]["lookup_table"]["tokenizer_path"] = "http://127.0.0.1:9/tokenizer.json"
    (folder / "config.json").write_text(json.dumps(config))
    (folder / "tokenizer.json").unlink()

    with pytest.raises(LoadFailed, match="no tokenizer in its folder"):
        child.call(speaking.speak, folder, [])


@pytest.mark.parametrize(
    ("file", "because"),
    [("tokenizer.json", "holds no tokenizer"), ("model.safetensors", "Loading the weights of")],
)
def test_a_damaged_file_fails_the_load(
    child: Child, tmp_path: Path, file: str, because: str
) -> None:
    folder = tmp_path / "pocket"
    shutil.copytree(pocket_tts(), folder)
    (folder / file).write_text("{}")

    with pytest.raises(LoadFailed, match=because):
        child.call(speaking.speak, folder, [])


def test_a_folder_whose_voices_are_gone_has_none_fetched(child: Child, tmp_path: Path) -> None:
    folder = tmp_path / "pocket"
    shutil.copytree(pocket_tts(), folder)
    assert child.call(speaking.speak, folder, [SpeakRequest(SHORT)]).sound()
    shutil.rmtree(folder / "voices")

    for voice in (None, "alba"):
        with pytest.raises(InvalidRequest, match="has no voice"):
            child.call(speaking.refuse, folder, SpeakRequest(SHORT, voice))
