"""The fake engine of transcriptions: what it hears follows from what it is sent."""

import hashlib
from pathlib import Path

import pytest

from mlx_gui.core.blob import Blob
from mlx_gui.core.errors import Cancelled, CapabilityMissing, InvalidRequest
from mlx_gui.core.generation import Delta, Event, GenerateRequest, Result, Usage
from mlx_gui.core.model import LoadSpec
from mlx_gui.engines.base import Engine, PreparedRequest
from mlx_gui.engines.fake.transcription import create
from mlx_gui.kinds.transcription import (
    TranscribeRequest,
    Transcript,
    TranscriptionOptions,
    unpacked,
)

SOUND = b"la" * 16_000
HEARD = f"32000 bytes with the digest {hashlib.sha256(SOUND).hexdigest()[:12]}"


@pytest.fixture
def engine() -> Engine:
    engine = create()
    spec = LoadSpec(
        model_id="fake/transcription",
        path="",
        kind="transcription",
        engine="mlx_gui.engines.fake.transcription",
        weight_form="stored",
        options=TranscriptionOptions(slots=4),
    )
    engine.load(spec, lambda stage, done, total: None)
    return engine


def answer(engine: Engine, request: TranscribeRequest) -> list[Event]:
    """All events of one request, by itself."""
    prepared = engine.prepare("one", request)
    assert isinstance(prepared, PreparedRequest)
    engine.admit(prepared)
    events: list[Event] = []
    while engine.busy():
        events += [event for stepped in engine.step() for event in stepped.events]
    return events


def transcript_in(events: list[Event]) -> Transcript:
    (result,) = [event for event in events if isinstance(event, Result)]
    return unpacked(result.value)


def test_it_hears_how_long_the_sound_is_and_its_digest(engine: Engine) -> None:
    events = answer(engine, TranscribeRequest(SOUND))

    assert "".join(event.text for event in events if isinstance(event, Delta)) == HEARD
    heard = transcript_in(events)
    assert (heard.text, heard.language, heard.duration_s) == (HEARD, "en", 1.0)
    assert " ".join(segment.text for segment in heard.segments) == HEARD
    assert (heard.segments[0].start_s, heard.segments[-1].end_s) == (0.0, 1.0)
    assert heard.words == ()
    usage = events[-1]
    assert isinstance(usage, Usage)
    assert (usage.audio_ms, usage.completion_tokens) == (1000.0, 6)


def test_it_hears_the_same_of_a_file(engine: Engine, tmp_path: Path) -> None:
    path = tmp_path / "0"
    path.write_bytes(SOUND)

    events = answer(engine, TranscribeRequest(Blob(str(path), len(SOUND))))

    assert transcript_in(events).text == HEARD


def test_it_tells_the_times_of_words_and_the_language_that_it_was_told(engine: Engine) -> None:
    heard = transcript_in(answer(engine, TranscribeRequest(SOUND, language="fr", words=True)))

    assert heard.language == "fr"
    assert " ".join(word.text for word in heard.words) == HEARD
    ends_s = [word.end_s for word in heard.words]
    assert ends_s == sorted(ends_s)
    assert [word.start_s for word in heard.words[1:]] == ends_s[:-1]


def test_a_file_that_is_gone_is_one_of_a_request_that_has_ended(engine: Engine) -> None:
    with pytest.raises(Cancelled, match="ended"):
        engine.prepare("one", TranscribeRequest(Blob("/nowhere/0", 5)))


def test_it_answers_nothing_else(engine: Engine) -> None:
    with pytest.raises(CapabilityMissing, match="of the kind 'transcription'"):
        engine.prepare("one", GenerateRequest(prompt="Hello"))


def test_a_script_that_is_none_is_refused(engine: Engine) -> None:
    with pytest.raises(InvalidRequest, match="no script"):
        engine.prepare("one", TranscribeRequest(SOUND, prompt='{"fake": {"delay": 5}}'))


def test_what_is_cancelled_ends_with_its_usage(engine: Engine) -> None:
    prepared = engine.prepare("one", TranscribeRequest(SOUND))
    assert isinstance(prepared, PreparedRequest)
    engine.admit(prepared)
    engine.step()

    (ended,) = engine.cancel("one")

    (usage,) = ended.events
    assert isinstance(usage, Usage)
    assert usage.completion_tokens == 1
    assert engine.cancel("one") == []
    assert not engine.busy()
