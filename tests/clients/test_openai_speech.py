"""The official openai client has a real server speak."""

import base64
import json
from collections.abc import Iterator
from io import BytesIO
from typing import Any

import httpx2
import numpy as np
import openai
import pytest
import soundfile
from openai import OpenAI

from mlx_gui.engines.fake.speech import RATE_HZ, TONES_HZ
from tests.support.server import Server
from tests.support.waiting import wait_until

MODEL = "fake/speech"
TEXT = "One two three four five."
WORDS = len(TEXT.split())
MP3_SPARE = 3 * 1152


@pytest.fixture(scope="module")
def client(server: Server) -> Iterator[OpenAI]:
    with OpenAI(base_url=f"{server.address}/v1", api_key="none", max_retries=0) as client:
        yield client


def heard(sound: bytes) -> Any:
    samples, rate_hz = soundfile.read(BytesIO(sound))
    assert rate_hz == RATE_HZ
    return samples


@pytest.mark.parametrize("format", ["mp3", "opus", "flac", "wav"])
def test_it_gets_a_file_of_each_format(client: OpenAI, format: Any) -> None:
    answer = client.audio.speech.create(
        model=MODEL, voice="anna", input=TEXT, response_format=format
    )

    samples = heard(answer.content)
    length = WORDS * RATE_HZ // 10
    assert length <= len(samples) <= length + (MP3_SPARE if format == "mp3" else 0)


def test_it_gets_plain_samples_as_they_are_spoken(client: OpenAI) -> None:
    pieces: list[bytes] = []
    with client.audio.speech.with_streaming_response.create(
        model=MODEL,
        voice="bert",
        input='{"fake": {"delay_ms": 30}} ' + TEXT,
        response_format="pcm",
    ) as stream:
        assert stream.headers["content-type"] == "audio/pcm"
        pieces.extend(stream.iter_bytes())

    assert len(pieces) > 1
    samples = np.frombuffer(b"".join(pieces), "<i2")
    assert len(samples) == WORDS * RATE_HZ // 10
    loudest = np.argmax(np.abs(np.fft.rfft(samples))) * RATE_HZ / len(samples)
    assert loudest == pytest.approx(TONES_HZ["bert"], abs=3)


def test_it_gets_events(client: OpenAI) -> None:
    with client.audio.speech.with_streaming_response.create(
        model=MODEL, voice="anna", input=TEXT, response_format="wav", stream_format="sse"
    ) as stream:
        events = [json.loads(line[6:]) for line in stream.iter_lines() if line[:5] == "data:"]

    *deltas, done = events
    assert len(heard(b"".join(base64.b64decode(each["audio"]) for each in deltas))) == 12_000
    assert done["type"] == "speech.audio.done"
    assert done["usage"] == {"input_tokens": 5, "output_tokens": 5, "total_tokens": 10}


def test_a_speed_makes_it_shorter(client: OpenAI) -> None:
    answer = client.audio.speech.create(
        model=MODEL, voice={"id": "anna"}, input=TEXT, response_format="wav", speed=2
    )

    assert len(heard(answer.content)) == WORDS * RATE_HZ // 20


@pytest.mark.parametrize(
    ("fields", "param"),
    [
        ({"voice": "alloy"}, "voice"),
        ({"input": ""}, "input"),
        ({"input": "x" * 4097}, "input"),
        ({"speed": 0.0}, "speed"),
        ({"response_format": "wma"}, "response_format"),
        ({"model": "fake/second"}, "model"),
        ({"model": "fake/transcription"}, "model"),
    ],
)
def test_what_cannot_be_spoken_is_its_own_error(
    client: OpenAI, fields: dict[str, Any], param: str
) -> None:
    asked: Any = {"model": MODEL, "voice": "anna", "input": TEXT, **fields}
    with pytest.raises(openai.BadRequestError) as refusal:
        client.audio.speech.create(**asked)

    assert refusal.value.param == param


def test_a_model_that_speaks_does_nothing_else(client: OpenAI) -> None:
    with pytest.raises(openai.BadRequestError, match="cannot answer a conversation"):
        client.chat.completions.create(model=MODEL, messages=[{"role": "user", "content": "Hello"}])
    with pytest.raises(openai.BadRequestError, match="cannot write down what is said"):
        client.audio.transcriptions.create(model=MODEL, file=("a.wav", b"RIFF"))
    with pytest.raises(openai.BadRequestError, match="cannot make vectors of texts"):
        client.embeddings.create(model=MODEL, input="Hello")


def test_a_model_that_is_not_there_is_not_found(client: OpenAI) -> None:
    with pytest.raises(openai.NotFoundError):
        client.audio.speech.create(model="nobody", voice="anna", input=TEXT)


def test_a_worker_that_dies_within_the_sound_breaks_it_off(client: OpenAI) -> None:
    script = '{"fake": {"crash_after": 3, "delay_ms": 30}} '
    with client.audio.speech.with_streaming_response.create(
        model=MODEL, voice="anna", input=script + TEXT, response_format="pcm"
    ) as stream:
        pieces = stream.iter_bytes()
        assert next(pieces)
        with pytest.raises((openai.APIConnectionError, httpx2.RemoteProtocolError)):
            list(pieces)

    again = client.audio.speech.create(model=MODEL, voice="anna", input=TEXT, response_format="pcm")
    assert len(again.content) == 2 * WORDS * RATE_HZ // 10


def test_a_long_text_is_spoken_where_a_setting_says_so(client: OpenAI, server: Server) -> None:
    def most(characters: int | None) -> None:
        with server.client() as http:
            settings = {"settings": {"max_speech_characters": characters}}
            http.patch("/v1/settings", json=settings).raise_for_status()

    most(10_000)
    try:
        answer = client.audio.speech.create(
            model=MODEL, voice="anna", input="word " * 1000, response_format="pcm"
        )
    finally:
        most(None)
    assert len(answer.content) == 2 * 1000 * RATE_HZ // 10


def test_its_record_says_how_long_the_sound_is(client: OpenAI, server: Server) -> None:
    raw = client.audio.speech.with_raw_response.create(model=MODEL, voice="anna", input=TEXT)
    request_id = raw.headers["x-request-id"]

    def record() -> dict[str, Any] | None:
        with server.client() as http:
            listed = http.get("/v1/requests").json()["data"]
        return next((each for each in listed if each["request_id"] == request_id), None)

    wait_until(lambda: record() is not None, what="the record")
    found = record()
    assert found is not None
    assert (found["endpoint"], found["audio_ms"]) == ("/v1/audio/speech", 500.0)
