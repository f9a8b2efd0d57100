"""The engine for speech on a tiny Parakeet that knows tones for words."""

from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
import soundfile

from mlx_gui.core.errors import CapabilityMissing
from mlx_gui.core.generation import Delta, Event, Result, Usage
from mlx_gui.kinds.transcription import TranscribeRequest, Transcript, unpacked
from tests.engines import listening
from tests.engines.remote import Child, RemoteEngine
from tests.real.speech import word_error_rate
from tests.tones.checkpoints import parakeet_tones
from tests.tones.signals import LEAD_S, RATE_HZ, WORDS, Samples, spoken, tone


@pytest.fixture
def child(engine: RemoteEngine) -> Child:
    return engine.child


def wav(samples: Samples) -> bytes:
    file = BytesIO()
    soundfile.write(file, samples, RATE_HZ, format="WAV")
    return file.getvalue()


def transcript_in(events: list[Event]) -> Transcript:
    (result,) = [event for event in events if isinstance(event, Result)]
    return unpacked(result.value)


def heard(child: Child, folder: Path, samples: Samples, **how: object) -> Transcript:
    asked = TranscribeRequest(wav(samples), **how)  # type: ignore[arg-type]
    told = child.call(listening.listen, folder, [asked])
    return transcript_in(told.of(0))


def test_parakeet_writes_its_words_with_their_times(child: Child) -> None:
    words = ["one", "three", "five", "two", "four"]

    got = heard(child, parakeet_tones(), spoken(words), words=True, language="de")

    assert got.text == " ".join(words)
    assert [word.text for word in got.words] == words
    for number, word in enumerate(got.words):
        assert word.start_s == pytest.approx(LEAD_S + 0.64 * number, abs=0.25)
    # It knows no other, whatever is named.
    assert (got.language, got.language_name) == ("en", "english")


def test_parakeet_joins_its_chunks_where_they_overlap(child: Child) -> None:
    dice = np.random.default_rng(5)
    words = [list(WORDS)[at] for at in dice.integers(0, 5, 110)]
    samples = spoken(words)
    assert len(samples) > 70 * RATE_HZ
    file = wav(samples)

    told = child.call(listening.listen, parakeet_tones(), [TranscribeRequest(file)])

    got = transcript_in(told.of(0))
    # The file has 16 bits of each.
    samples, _ = soundfile.read(BytesIO(file), dtype="float32")
    assert word_error_rate(" ".join(words), got.text) < 0.1
    assert got.text == child.call(listening.plain_parakeet, parakeet_tones(), samples)
    pieces = [event for event in told.of(0) if isinstance(event, Delta)]
    assert len(pieces) == 3
    assert "".join(piece.text for piece in pieces) == got.text


def test_parakeet_hears_nothing_in_silence(child: Child) -> None:
    got = heard(child, parakeet_tones(), np.zeros(70 * RATE_HZ, np.float32))

    assert (got.text, got.segments, got.words, got.duration_s) == ("", (), (), 70)


def test_parakeet_does_not_translate(child: Child) -> None:
    with pytest.raises(CapabilityMissing, match="cannot translate"):
        heard(child, parakeet_tones(), tone(220, 2), translate=True)


def test_a_short_recording_is_not_behind_a_long_one(child: Child) -> None:
    long, short = (
        TranscribeRequest(wav(spoken(words))) for words in (["two", "one"] * 60, ["two", "one"])
    )

    told = child.call(listening.listen, parakeet_tones(), [long, short])

    assert told.ends() == [1, 0]
    assert transcript_in(told.of(1)).text == "two one"


def test_what_is_cancelled_ends_at_once_and_gives_everything_back(child: Child) -> None:
    # More than is decoded ahead.
    long = TranscribeRequest(wav(spoken(["two", "one"] * 100)))

    events, busy, decoding = child.call(listening.listen_and_cancel, parakeet_tones(), long)

    (usage,) = events
    assert isinstance(usage, Usage)
    assert not busy
    assert decoding == 0
    assert heard(child, parakeet_tones(), spoken(["two", "one"])).text == "two one"


def test_weights_as_they_are_stored_hear_the_same(child: Child) -> None:
    asked = TranscribeRequest(wav(spoken(["two", "one"])))

    told = child.call(listening.listen, parakeet_tones(), [asked], "stored")

    assert transcript_in(told.of(0)).text == "two one"
