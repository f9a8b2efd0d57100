"""`/v1/audio/speech` and `/v1/audio/voices`: what is asked, how sound comes, what is refused."""

import base64
import json
from collections.abc import AsyncGenerator, Iterator
from typing import Any

import httpx
import msgspec
import pytest

from mlx_gui.core.errors import WorkerFailed
from mlx_gui.core.generation import Audio, Event, Failed, Prepared, Usage, WorkerRequest
from mlx_gui.kinds.registry import kind_of
from mlx_gui.kinds.speech import SpeakRequest
from mlx_gui.kinds.speech_files import SpeechFacts
from tests.unit.api.parts import (
    MODEL,
    ScriptedDispatch,
    Shelf,
    application,
    config,
    services,
    serving,
)

PATH = "/v1/audio/speech"
VOICES = "/v1/audio/voices"
TEXT = "Good day."
SOUND = b"RIFF\0\xff more"
SPEAKER = msgspec.structs.replace(
    MODEL, id="org/speaker", facts=kind_of("speech").scripted["speech"]
)
DOCILE = msgspec.structs.replace(
    SPEAKER,
    id="org/docile",
    facts=msgspec.structs.replace(
        kind_of("speech").scripted["speech"], own=SpeechFacts(voices=("anna",), follows=True)
    ),
)
BROKEN = msgspec.structs.replace(SPEAKER, id="org/broken", problem="It is damaged.")


async def speak(_: WorkerRequest) -> AsyncGenerator[Event]:
    yield Prepared(0)
    yield Audio(0, SOUND[:4])
    yield Audio(0, SOUND[4:])
    yield Usage(4, 25, audio_ms=2000.0)


async def break_off(_: WorkerRequest) -> AsyncGenerator[Event]:
    yield Prepared(0)
    yield Audio(0, SOUND)
    yield Failed(WorkerFailed("The worker was killed.", hint="Send it again.").info())


async def fail(_: WorkerRequest) -> AsyncGenerator[Event]:
    yield Prepared(0)
    yield Failed(WorkerFailed("The worker was killed.", hint="Send it again.").info())


@pytest.fixture(scope="module")
def speaking(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, ScriptedDispatch]]:
    dispatch = ScriptedDispatch()
    settings = config(tmp_path_factory.mktemp("data"), max_speech_characters=200)
    shelf = Shelf(MODEL, SPEAKER, DOCILE, BROKEN)
    with serving(application(services(settings, dispatch=dispatch, shelf=shelf))) as address:
        yield address, dispatch


@pytest.fixture
def dispatch(speaking: tuple[str, ScriptedDispatch]) -> ScriptedDispatch:
    _, dispatch = speaking
    dispatch.script = speak
    dispatch.asked.clear()
    dispatch.asks.clear()
    return dispatch


@pytest.fixture
def address(speaking: tuple[str, ScriptedDispatch], dispatch: ScriptedDispatch) -> str:
    return speaking[0]


def post(address: str, **fields: Any) -> httpx.Response:
    body = {"model": SPEAKER.id, "input": TEXT, **fields}
    return httpx.post(address + PATH, json=body, timeout=20)


def test_the_model_is_asked_what_the_body_says(address: str, dispatch: ScriptedDispatch) -> None:
    answer = post(
        address,
        voice="Bert",
        response_format="opus",
        speed=1.5,
        seed=7,
        instructions="Whisper.",
        priority=3,
        unknown=1,
    )
    answer.raise_for_status()

    assert dispatch.asked == [SpeakRequest(TEXT, "bert", "opus", 1.5, 7)]
    (ask,) = dispatch.asks
    assert (ask.needs, ask.endpoint, ask.priority) == ("speech", PATH, 3)
    assert answer.headers["x-mlx-gui-left-out"] == "instructions"


def test_how_to_speak_is_told_to_a_model_that_follows(
    address: str, dispatch: ScriptedDispatch
) -> None:
    answer = post(address, model=DOCILE.id, instructions="Whisper.")

    assert dispatch.asked == [SpeakRequest(TEXT, None, "mp3", instructions="Whisper.")]
    assert "x-mlx-gui-left-out" not in answer.headers
    long = post(address, model=DOCILE.id, instructions="x" * 201)
    assert long.status_code == 400
    assert long.json()["error"]["param"] == "instructions"


def test_without_more_it_is_mp3_in_the_models_voice(
    address: str, dispatch: ScriptedDispatch
) -> None:
    answer = post(address)

    assert dispatch.asked == [SpeakRequest(TEXT, None, "mp3")]
    assert answer.headers["content-type"] == "audio/mpeg"
    assert answer.content == SOUND
    assert "content-length" not in answer.headers


def test_what_is_null_is_as_if_it_were_not_sent(address: str, dispatch: ScriptedDispatch) -> None:
    names = ("voice", "response_format", "stream_format", "speed", "instructions", "seed")
    assert post(address, **dict.fromkeys(names)).headers["content-type"] == "audio/mpeg"
    assert dispatch.asked == [SpeakRequest(TEXT, None, "mp3")]


def test_a_voice_may_be_an_object_with_its_id(address: str, dispatch: ScriptedDispatch) -> None:
    assert post(address, voice={"id": "bert"}).status_code == 200
    assert dispatch.asked == [SpeakRequest(TEXT, "bert", "mp3")]


@pytest.mark.parametrize(
    ("format", "media_type"),
    [
        ("wav", "audio/wav"),
        ("pcm", "audio/pcm"),
        ("flac", "audio/flac"),
        ("opus", "audio/ogg; codecs=opus"),
    ],
)
def test_a_format_has_its_media_type(address: str, format: str, media_type: str) -> None:
    assert post(address, response_format=format).headers["content-type"] == media_type


def test_events_are_those_of_openai(address: str) -> None:
    answer = post(address, stream_format="sse")

    assert answer.headers["content-type"].startswith("text/event-stream")
    events = [json.loads(line[6:]) for line in answer.text.splitlines() if line[:5] == "data:"]
    *deltas, done = events
    assert {each["type"] for each in deltas} == {"speech.audio.delta"}
    assert b"".join(base64.b64decode(each["audio"]) for each in deltas) == SOUND
    assert done == {
        "type": "speech.audio.done",
        "usage": {"input_tokens": 4, "output_tokens": 25, "total_tokens": 29},
    }


def test_a_failure_before_any_sound_is_a_plain_error(
    address: str, dispatch: ScriptedDispatch
) -> None:
    dispatch.script = fail

    answer = post(address)

    assert answer.status_code == 500
    assert answer.json()["error"]["code"] == "worker_failed"


def test_a_failure_within_the_sound_breaks_the_connection_off(
    address: str, dispatch: ScriptedDispatch
) -> None:
    dispatch.script = break_off

    with pytest.raises(httpx.RemoteProtocolError):
        post(address)


def test_a_failure_within_events_is_the_last_of_them(
    address: str, dispatch: ScriptedDispatch
) -> None:
    dispatch.script = break_off

    answer = post(address, stream_format="sse")

    assert answer.status_code == 200
    assert '"code":"worker_failed"' in answer.text.replace(" ", "")


@pytest.mark.parametrize(
    ("fields", "param", "because"),
    [
        ({"input": ""}, "input", "at least 1 character"),
        ({"input": " \n\t\u2003"}, "input", "is empty"),
        ({"input": "x" * 201}, "input", "201 characters; this server speaks 200"),
        ({"input": ["Good day."]}, "input", "string"),
        ({"input": None}, "input", "string"),
        ({"voice": "clara"}, "voice", "its voices are: anna, bert"),
        ({"voice": ""}, "voice", "at least 1 character"),
        ({"voice": {"id": "clara"}}, "voice", "its voices are: anna, bert"),
        ({"voice": {"name": "anna"}}, "voice", "string"),
        ({"voice": 3}, "voice", "string"),
        ({"voice": "v" * 5000}, "voice", "at most 200"),
        ({"response_format": "wma"}, "response_format", "'mp3', 'opus', 'aac', 'flac', 'wav'"),
        ({"response_format": "WAV"}, "response_format", "'wav'"),
        ({"stream_format": "json"}, "stream_format", "'audio' or 'sse'"),
        ({"speed": 0}, "speed", "between 0.25 and 4"),
        ({"speed": 4.01}, "speed", "between 0.25 and 4"),
        ({"speed": -1}, "speed", "between 0.25 and 4"),
        ({"speed": "fast"}, "speed", "number"),
        ({"seed": 1.5}, "seed", "integer"),
        ({"instructions": 3}, "instructions", "string"),
    ],
)
def test_what_cannot_be_said_is_refused_before_the_model_is_asked(
    address: str, dispatch: ScriptedDispatch, fields: dict[str, Any], param: str, because: str
) -> None:
    answer = post(address, **fields)

    assert answer.status_code == 400, answer.text
    error = answer.json()["error"]
    assert error["param"] == param
    assert because in error["message"]
    assert dispatch.asked == []


def test_aac_is_refused_where_nothing_makes_it(
    address: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("mlx_gui.core.sound_format.sys.platform", "linux")

    error = post(address, response_format="aac").json()["error"]

    assert error["param"] == "response_format"
    assert "this server makes mp3, opus, flac, wav, pcm" in error["message"]


def test_a_model_that_does_not_speak_is_refused(address: str, dispatch: ScriptedDispatch) -> None:
    error = post(address, model=MODEL.id, voice="clara").json()["error"]

    assert "cannot speak a text" in error["message"]
    assert error["param"] == "model"
    assert post(address, model="nobody").status_code == 404
    assert dispatch.asked == []


def test_a_text_that_no_json_holds_is_refused(address: str, dispatch: ScriptedDispatch) -> None:
    content = b'{"model": "org/speaker", "input": "\\ud800 half"}'
    headers = {"content-type": "application/json"}
    answer = httpx.post(address + PATH, content=content, headers=headers)
    assert answer.status_code == 400
    assert answer.json()["error"]["param"] == "input"
    assert dispatch.asked == []


def test_voices_are_those_of_the_models_that_speak(
    address: str, dispatch: ScriptedDispatch
) -> None:
    def voice(name: str, *, default: bool) -> dict[str, Any]:
        return {"id": name, "name": name, "model": SPEAKER.id, "default": default}

    listed = httpx.get(address + VOICES).json()
    of_one = httpx.get(address + VOICES, params={"model": "speaker"}).json()

    voices = [voice("anna", default=True), voice("bert", default=False)]
    assert of_one == {"object": "list", "voices": voices}
    other = {"id": "anna", "name": "anna", "model": DOCILE.id, "default": False}
    assert listed == {"object": "list", "voices": [*voices, other]}
    assert dispatch.asked == []


def test_voices_of_a_model_that_has_none_are_refused(address: str) -> None:
    text = httpx.get(address + VOICES, params={"model": MODEL.id})
    assert (text.status_code, text.json()["error"]["param"]) == (400, "model")
    broken = httpx.get(address + VOICES, params={"model": BROKEN.id})
    assert broken.status_code == 400
    assert "cannot be served: It is damaged." in broken.json()["error"]["message"]
    nobody = httpx.get(address + VOICES, params={"model": "nobody"})
    assert nobody.status_code == 404
