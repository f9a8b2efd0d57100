"""Sound in a chat: another model writes it down, and the chat's own reads the words."""

import base64
from collections.abc import Iterator
from typing import Any

import httpx
import openai
import pytest

from tests.support.server import Server, running_server

SPEECH = "fake/transcription"
SMALL, LARGE = b"nine byte", b"x" * 400_000
NINE = "9 bytes with the digest"


@pytest.fixture(scope="module")
def hearing(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    settings = {"chat_audio_model": SPEECH}
    with running_server(tmp_path_factory.mktemp("hearing"), settings=settings) as server:
        yield server


def sound(data: bytes) -> dict[str, Any]:
    audio = {"data": base64.b64encode(data).decode(), "format": "wav"}
    return {"type": "input_audio", "input_audio": audio}


def post(server: Server, *parts: Any, role: str = "user", **more: Any) -> httpx.Response:
    messages = [{"role": role, "content": list(parts)}]
    with server.client() as client:
        return client.post(
            "/v1/chat/completions", json={"model": "fake/echo", "messages": messages, **more}
        )


@pytest.mark.parametrize("stream", [False, True])
def test_words_stand_in_the_place_of_sounds_and_a_header_says_so(
    hearing: Server, stream: bool
) -> None:
    parts: Any = [{"type": "text", "text": "Hear: "}, sound(SMALL), sound(LARGE)]
    with openai.OpenAI(base_url=f"{hearing.address}/v1", api_key="none") as client:
        raw = client.chat.completions.with_raw_response.create(
            model="fake/echo", messages=[{"role": "user", "content": parts}], stream=stream
        )
        answer: Any = raw.parse()
        said = (
            "".join(chunk.choices[0].delta.content or "" for chunk in answer)
            if stream
            else answer.choices[0].message.content
        )

    assert said.startswith(f"You said: Hear: {NINE}")
    assert "400000 bytes with the digest" in said
    assert raw.headers["x-mlx-gui-transcribed"] == (
        "messages[0].content[1].input_audio.data by fake/transcription, "
        "messages[0].content[2].input_audio.data by fake/transcription"
    )


@pytest.mark.parametrize(
    ("part", "said"),
    [
        ({"type": "input_audio"}, "is required"),
        ({"type": "input_audio", "input_audio": {"data": 5}}, "is required"),
        ({"type": "input_audio", "input_audio": {"data": "%%%"}}, "not valid base64"),
        (sound(b""), "empty"),
    ],
)
def test_what_is_no_sound_is_refused(hearing: Server, part: Any, said: str) -> None:
    answer = post(hearing, part)

    assert answer.status_code == 400, answer.text
    assert said in answer.json()["error"]["message"]
    assert answer.json()["error"]["param"].startswith("messages[0].content[0].input_audio")


def test_sound_is_refused_with_a_hint_where_no_model_is_set(server: Server) -> None:
    error = post(server, sound(SMALL)).json()["error"]

    assert error["code"] == "capability_missing"
    assert "chat_audio_model" in error["hint"]


@pytest.mark.parametrize("name", ["org/gone", "fake/echo"])
def test_a_setting_that_names_no_speech_model_is_told(
    name: str, tmp_path_factory: pytest.TempPathFactory
) -> None:
    settings = {"chat_audio_model": name}
    with running_server(tmp_path_factory.mktemp("wrong"), settings=settings) as server:
        answer = post(server, sound(SMALL))

    error = answer.json()["error"]
    assert (answer.status_code, error["code"]) == (400, "capability_missing")
    assert "chat_audio_model names" in error["message"]
    assert name in error["message"]
    # Not the model that was asked is to blame.
    assert error["param"] == "messages[0].content[0].input_audio.data"


def test_the_tokens_of_sound_are_not_guessed(hearing: Server) -> None:
    messages = [{"role": "user", "content": [sound(SMALL)]}]
    with hearing.client() as client:
        answer = client.post("/v1/tokenize", json={"model": "fake/echo", "messages": messages})

    assert answer.status_code == 400
    assert answer.json()["error"]["code"] == "capability_missing"
