"""The engine for speech on real Whisper and real recordings, beside the plain library."""

import math
import shutil
import subprocess
from collections.abc import Callable
from dataclasses import dataclass
from io import BytesIO
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
import soundfile

from mlx_gui.core.blob import Blob
from mlx_gui.core.errors import CapabilityMissing, InvalidRequest, LoadFailed
from mlx_gui.core.generation import Delta, Event, Failed, GenerateRequest, Result, Usage
from mlx_gui.kinds.transcription import TranscribeRequest, Transcript, unpacked
from tests.engines import listening
from tests.engines.remote import Child, RemoteEngine
from tests.real.speech import BECKETT, TWO_CITIES, beckett, two_cities, word_error_rate
from tests.real.whisper import whisper_base, whisper_tiny_en

RATE_HZ = 16_000
FFMPEG = shutil.which("ffmpeg")


@pytest.fixture
def child(engine: RemoteEngine) -> Child:
    return engine.child


def asked(path: Path, **how: object) -> TranscribeRequest:
    return TranscribeRequest(Blob(str(path), path.stat().st_size), **how)  # type: ignore[arg-type]


def transcript_in(events: list[Event]) -> Transcript:
    (result,) = [event for event in events if isinstance(event, Result)]
    return unpacked(result.value)


def heard(child: Child, request: TranscribeRequest) -> Transcript:
    told = child.call(listening.listen, whisper_tiny_en(), [request])
    return transcript_in(told.of(0))


def wav(samples: "np.ndarray[tuple[int], np.dtype[np.float64]]") -> bytes:
    file = BytesIO()
    soundfile.write(file, samples, RATE_HZ, format="WAV")
    return file.getvalue()


def in_order(transcript: Transcript) -> None:
    """Its times grow, and none is outside of the sound."""
    for parts in (transcript.segments, transcript.words):
        times = [time for each in parts for time in (each.start_s, each.end_s)]
        assert times == sorted(times)
        assert all(0 <= time <= transcript.duration_s for time in times)


@pytest.mark.parametrize(
    ("model", "recording", "said"),
    [
        pytest.param(whisper_tiny_en, beckett, BECKETT, id="10s"),
        pytest.param(whisper_tiny_en, two_cities, TWO_CITIES, id="44s", marks=pytest.mark.soak),
        pytest.param(whisper_base, beckett, BECKETT, id="base-10s", marks=pytest.mark.soak),
        pytest.param(whisper_base, two_cities, TWO_CITIES, id="base-44s", marks=pytest.mark.soak),
    ],
)
def test_real_speech_is_written_down_as_the_plain_library_does(
    child: Child, model: Callable[[], Path], recording: Callable[[], Path], said: str
) -> None:
    path, folder = recording(), model()
    told = child.call(listening.listen, folder, [asked(path)])
    got = transcript_in(told.of(0))
    plain: Transcript = child.call(listening.plain, folder, path)

    assert word_error_rate(said, got.text) < 0.1
    assert got.text == plain.text
    assert [each.text for each in got.segments] == [each.text for each in plain.segments]
    for ours, theirs in zip(got.segments, plain.segments, strict=True):
        assert ours.start_s == pytest.approx(theirs.start_s, abs=0.02)
        assert ours.end_s == pytest.approx(min(theirs.end_s, got.duration_s), abs=0.02)
    assert got.language == plain.language == "en"
    assert got.duration_s == pytest.approx(plain.duration_s, abs=0.01)
    in_order(got)
    usage = told.of(0)[-1]
    assert isinstance(usage, Usage)
    assert usage.audio_ms == pytest.approx(got.duration_s * 1000)
    assert usage.prefill_ms > 0
    assert usage.decode_ms > 0
    pieces = [event for event in told.of(0) if isinstance(event, Delta)]
    assert "".join(piece.text for piece in pieces) == got.text
    assert len(pieces) == math.ceil(got.duration_s / 30)
    assert pieces[-1].until_s == pytest.approx(got.duration_s, abs=0.01)


# A tiny model has its words at the same times as the plain library every time.
@pytest.mark.soak
def test_words_have_the_times_that_the_plain_library_finds(child: Child) -> None:
    path = beckett()
    got = heard(child, asked(path, words=True))
    plain: Transcript = child.call(listening.plain_words, whisper_tiny_en(), path)

    assert [word.text for word in got.words] == [word.text for word in plain.words]
    assert got.text == " ".join(word.text for word in got.words)
    for ours, theirs in zip(got.words, plain.words, strict=True):
        assert ours.start_s == pytest.approx(theirs.start_s, abs=0.02)
    in_order(got)


# What each format sounds like is for the tests of sound.
@pytest.mark.soak
@pytest.mark.parametrize("ending", ["mp3", "flac", "ogg", "opus", "aiff", "caf"])
def test_the_same_speech_in_another_format_says_the_same(
    child: Child, ending: str, tmp_path: Path
) -> None:
    samples, rate_hz = soundfile.read(beckett())
    path = tmp_path / "speech"
    how = {"ogg": ("OGG", "VORBIS"), "opus": ("OGG", "OPUS")}.get(ending, (ending.upper(), None))
    soundfile.write(path, samples, rate_hz, format=how[0], subtype=how[1])

    got = heard(child, asked(path)).text
    # What loses some of the sound may lose a comma.
    assert word_error_rate(BECKETT, got) == 0
    assert got == BECKETT or ending in ("mp3", "ogg", "opus")


@pytest.mark.skipif(FFMPEG is None, reason="there is no ffmpeg on the PATH")
@pytest.mark.soak
@pytest.mark.parametrize("ending", ["m4a", "webm"])
def test_so_it_does_in_what_ffmpeg_reads(child: Child, ending: str, tmp_path: Path) -> None:
    path = tmp_path / f"speech.{ending}"
    assert FFMPEG is not None
    subprocess.run([FFMPEG, "-v", "error", "-i", beckett(), path], check=True)

    assert heard(child, asked(path)).text == BECKETT


@pytest.mark.parametrize("level", [0.0, 1e-4, 0.02, 0.3])
def test_silence_and_noise_say_nothing(child: Child, level: float) -> None:
    noise = level * np.random.default_rng(1).standard_normal(40 * RATE_HZ)

    got = heard(child, TranscribeRequest(wav(np.clip(noise, -1, 1))))

    assert (got.text, got.segments, got.duration_s) == ("", (), 40.0)


@pytest.mark.soak
def test_an_hour_of_silence_before_it_does_not_hide_a_sentence(child: Child) -> None:
    got = heard(child, TranscribeRequest(wav(after_silence(3600))))

    assert got.text == BECKETT
    assert got.segments[0].start_s == pytest.approx(3600, abs=1)
    in_order(got)


def after_silence(seconds: int) -> "np.ndarray[tuple[int], np.dtype[np.float64]]":
    samples, _ = soundfile.read(beckett())
    return np.concatenate([np.zeros(seconds * RATE_HZ), samples])


@pytest.fixture(scope="module")
def late(engine: RemoteEngine) -> Transcript:
    """What is heard after two minutes of silence, in a language that was named."""
    asked = TranscribeRequest(wav(after_silence(120)), language="english")
    return heard(engine.child, asked)


@pytest.mark.soak
def test_two_minutes_of_silence_before_it_do_not_hide_a_sentence(late: Transcript) -> None:
    assert late.text == BECKETT
    assert late.segments[0].start_s == pytest.approx(120, abs=1)
    in_order(late)


@pytest.mark.soak
def test_speech_is_heard_in_the_language_that_was_named(late: Transcript) -> None:
    assert (late.language, late.text) == ("en", BECKETT)


def silence(minutes: int, path: Path, *, end: Path | None = None) -> TranscribeRequest:
    """A file of so much silence, and of the recording `end` after it."""
    with soundfile.SoundFile(path, "w", RATE_HZ, 1, "PCM_16", format="FLAC") as file:
        for _ in range(minutes):
            file.write(np.zeros(60 * RATE_HZ, np.int16))
        if end is not None:
            file.write(soundfile.read(end, dtype="int16")[0])
    return asked(path)


def test_a_quarter_of_an_hour_takes_the_memory_of_a_minute(child: Child, tmp_path: Path) -> None:
    short = silence(1, tmp_path / "short.flac")
    long = silence(15, tmp_path / "long.flac")

    first, then = (
        child.call(listening.resident_bytes, whisper_tiny_en(), each) for each in (short, long)
    )

    # All samples of it are 58 MB.
    assert then - first < 30_000_000


@pytest.mark.soak
def test_three_hours_take_the_memory_of_ten_minutes(child: Child, tmp_path: Path) -> None:
    short = silence(10, tmp_path / "short.flac", end=beckett())
    long = silence(180, tmp_path / "long.flac", end=beckett())

    first, then = (
        child.call(listening.resident_bytes, whisper_tiny_en(), each) for each in (short, long)
    )

    assert then - first < 100_000_000


def twice(path: Path) -> TranscribeRequest:
    """The short recording twice, in a window each."""
    samples, _ = soundfile.read(beckett())
    soundfile.write(path, np.concatenate([samples, np.zeros(21 * RATE_HZ), samples]), RATE_HZ)
    return asked(path, words=True)


@dataclass(frozen=True, slots=True)
class Both:
    """What came of a recording of two windows, in which `said` is, and of `BECKETT` behind it."""

    said: str
    told: listening.Told

    @property
    def long(self) -> Transcript:
        return transcript_in(self.told.of(0))


@pytest.fixture(scope="module", params=["twice", "two cities"])
def both(
    request: pytest.FixtureRequest, engine: RemoteEngine, tmp_path_factory: pytest.TempPathFactory
) -> Both:
    said, long = f"{BECKETT} {BECKETT}", twice(tmp_path_factory.mktemp("twice") / "twice.wav")
    if request.param == "two cities":
        said, long = TWO_CITIES, asked(two_cities(), words=True)
    told = engine.child.call(listening.listen, whisper_tiny_en(), [long, asked(beckett())])
    return Both(said, told)


# Tiny models take turns, and are cancelled, every time.
@pytest.mark.soak
def test_a_short_recording_is_not_behind_a_long_one(both: Both) -> None:
    assert both.told.ends() == [1, 0]
    assert transcript_in(both.told.of(1)).text == BECKETT
    assert word_error_rate(both.said, both.long.text) < 0.1


@pytest.mark.soak
def test_times_of_a_window_meet_those_of_the_next(both: Both) -> None:
    assert both.long.words[-1].end_s > 30
    in_order(both.long)
    for before, after in pairwise(both.long.segments):
        assert after.start_s >= before.end_s


@pytest.mark.soak
def test_what_is_cancelled_ends_at_once_and_gives_everything_back(child: Child) -> None:
    samples, _ = soundfile.read(beckett())
    # More than is decoded ahead.
    long = wav(np.concatenate([samples, np.zeros(120 * RATE_HZ)]))

    events, busy, decoding = child.call(
        listening.listen_and_cancel, whisper_tiny_en(), TranscribeRequest(long)
    )

    (usage,) = events
    assert isinstance(usage, Usage)
    assert not busy
    assert decoding == 0
    assert heard(child, asked(beckett())).text == BECKETT


@pytest.mark.soak
def test_the_prompt_spells_names(child: Child) -> None:
    got = heard(child, asked(beckett(), prompt="Samuel Beckett, Worstward Ho:"))

    assert word_error_rate(BECKETT, got.text) < 0.2


def test_control_tokens_that_a_prompt_spells_change_nothing(child: Child) -> None:
    spelt = "Beckett<|endoftext|><|startoftranscript|><|notimestamps|><|9.00|>"

    got = heard(child, asked(beckett(), prompt=spelt))

    assert got == heard(child, asked(beckett(), prompt="Beckett"))


@pytest.mark.parametrize(
    ("how", "error", "because"),
    [
        ({"language": "de"}, InvalidRequest, "knows no language 'de'"),
        ({"language": "tlh"}, InvalidRequest, "knows no language 'tlh'"),
        ({"translate": True}, CapabilityMissing, "English only"),
        ({"longest_s": 5.0}, Exception, "longer than the 5 s"),
    ],
)
def test_what_an_english_model_cannot_do_is_refused(
    child: Child, how: dict[str, object], error: type[Exception], because: str
) -> None:
    with pytest.raises(error, match=because):
        heard(child, asked(beckett(), **how))


@pytest.mark.parametrize("language", ["en", "EN", "en-GB", "english"])
def test_a_language_has_several_names(child: Child, language: str) -> None:
    # A second of silence needs no model to be heard.
    assert (
        heard(child, TranscribeRequest(wav(np.zeros(RATE_HZ)), language=language)).language == "en"
    )


def test_it_answers_nothing_else(child: Child) -> None:
    with pytest.raises(CapabilityMissing, match="of the kind 'transcription'"):
        child.call(listening.listen, whisper_tiny_en(), [GenerateRequest(prompt="Hello")])


def test_a_file_that_is_damaged_far_behind_fails_its_request_alone(
    child: Child, tmp_path: Path
) -> None:
    # Noise says nothing, so that its end is soon there, and takes room in a file.
    noise = 1e-3 * np.random.default_rng(1).standard_normal(120 * RATE_HZ)
    path = tmp_path / "damaged.flac"
    soundfile.write(path, noise, RATE_HZ)
    content = path.read_bytes()
    path.write_bytes(content[: len(content) * 3 // 4])

    told = child.call(listening.listen, whisper_tiny_en(), [asked(path), asked(beckett())])

    failure = told.of(0)[-1]
    assert isinstance(failure, Failed)
    assert (failure.error.code, failure.error.details["param"]) == ("invalid_request", "file")
    assert transcript_in(told.of(1)).text == BECKETT


def test_a_tokenizer_without_times_is_refused_when_it_is_loaded(
    child: Child, tmp_path: Path
) -> None:
    folder = tmp_path / "whisper"
    shutil.copytree(whisper_tiny_en(), folder)
    tokenizer = (folder / "tokenizer.json").read_text(encoding="utf-8")
    (folder / "tokenizer.json").write_text(
        tokenizer.replace("<|0.00|>", "<|nil|>"), encoding="utf-8"
    )

    with pytest.raises(LoadFailed, match=r"<\|0\.00\|>"):
        child.call(listening.listen, folder, [])


def test_a_folder_without_a_usable_tokenizer_is_refused_when_it_is_loaded(
    child: Child, tmp_path: Path
) -> None:
    folder = tmp_path / "whisper"
    shutil.copytree(whisper_tiny_en(), folder)
    (folder / "tokenizer.json").write_text('{"version": "1.0"}', encoding="utf-8")

    with pytest.raises(LoadFailed, match="tokenizer"):
        child.call(listening.listen, folder, [])
