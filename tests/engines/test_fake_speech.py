"""The fake engine of speech: a tone for each word."""

from io import BytesIO

import numpy as np
import pytest
import soundfile

from mlx_gui.core.errors import CapabilityMissing, InvalidRequest
from mlx_gui.core.generation import Audio, Event, GenerateRequest, Usage
from mlx_gui.core.model import LoadSpec
from mlx_gui.engines.base import Engine, PreparedRequest
from mlx_gui.engines.fake.speech import RATE_HZ, TONES_HZ, create
from mlx_gui.kinds.speech import SpeakRequest, SpeechOptions


@pytest.fixture
def engine() -> Engine:
    engine = create()
    spec = LoadSpec(
        model_id="fake/speech",
        path="",
        kind="speech",
        engine="mlx_gui.engines.fake.speech",
        weight_form="stored",
        options=SpeechOptions(slots=4),
    )
    engine.load(spec, lambda stage, done, total: None)
    return engine


def answer(engine: Engine, request: SpeakRequest) -> list[Event]:
    prepared = engine.prepare("one", request)
    assert isinstance(prepared, PreparedRequest)
    engine.admit(prepared)
    events: list[Event] = []
    while engine.busy():
        events += [event for stepped in engine.step() for event in stepped.events]
    return events


@pytest.mark.parametrize(("voice", "hz"), [*TONES_HZ.items(), (None, 440.0)])
def test_it_says_a_tone_for_each_word(engine: Engine, voice: str | None, hz: float) -> None:
    events = answer(engine, SpeakRequest("One two three.", voice))

    sound = b"".join(event.data for event in events if isinstance(event, Audio))
    samples, _ = soundfile.read(BytesIO(sound))
    assert len(samples) == 3 * RATE_HZ / 10
    assert np.argmax(np.abs(np.fft.rfft(samples))) * RATE_HZ / len(samples) == pytest.approx(hz, 1)
    usage = events[-1]
    assert isinstance(usage, Usage)
    assert (usage.prompt_tokens, usage.completion_tokens, usage.audio_ms) == (3, 3, 300.0)


def test_it_answers_nothing_else(engine: Engine) -> None:
    with pytest.raises(CapabilityMissing, match="of the kind 'speech'"):
        engine.prepare("one", GenerateRequest(prompt="Hello"))


def test_a_script_before_the_text_is_not_said(engine: Engine) -> None:
    events = answer(engine, SpeakRequest('{"fake": {"delay_ms": 1}} One.', format="pcm"))
    assert sum(len(each.data) for each in events if isinstance(each, Audio)) == 2 * RATE_HZ // 10

    with pytest.raises(InvalidRequest, match="no script"):
        engine.prepare("one", SpeakRequest('{"fake": {"delay": 5}} One.'))


def test_what_is_cancelled_ends_with_its_usage(engine: Engine) -> None:
    prepared = engine.prepare("one", SpeakRequest("One two three."))
    assert isinstance(prepared, PreparedRequest)
    engine.admit(prepared)
    engine.step()

    (ended,) = engine.cancel("one")

    (usage,) = ended.events
    assert isinstance(usage, Usage)
    assert usage.completion_tokens == 1
    assert not engine.busy()
