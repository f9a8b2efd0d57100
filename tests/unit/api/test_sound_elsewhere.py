"""Sound where nobody hears it: a refusal in the family's own shape, with what to do."""

from typing import Any

import httpx
import pytest

WAV = "UklGRiQAAABXQVZFZm10IBAAAAABAAEARKwAAIhYAQACABAAZGF0YQAAAAA="
SOUND = {"type": "input_audio", "input_audio": {"data": WAV, "format": "wav"}}
USER = {"role": "user", "content": [SOUND]}


def refused(address: str, path: str, **body: Any) -> tuple[int, Any]:
    answer = httpx.post(address + path, json={"model": "org/one", **body})
    return answer.status_code, answer.json()


@pytest.mark.parametrize("stream", [False, True])
def test_openais_responses_say_where_sound_is_heard(address: str, stream: bool) -> None:
    status, body = refused(address, "/v1/responses", input=[USER], stream=stream)
    error = body["error"]
    assert (status, error["code"], error["param"]) == (
        400,
        "capability_missing",
        "input[0].content[0]",
    )
    assert "cannot hear" in error["message"]
    assert "/v1/chat/completions" in error["message"] + str(error.get("hint"))


@pytest.mark.parametrize("stream", [False, True])
def test_anthropics_messages_know_no_sound(address: str, stream: bool) -> None:
    status, body = refused(address, "/v1/messages", messages=[USER], max_tokens=5, stream=stream)
    assert (status, body["type"], body["error"]["type"]) == (
        400,
        "error",
        "invalid_request_error",
    )
    assert "input_audio" in body["error"]["message"]


def test_ollama_is_told_that_sound_is_no_picture(address: str) -> None:
    for path, body in (
        ("/api/generate", {"prompt": "What?", "images": [WAV]}),
        ("/api/chat", {"messages": [{"role": "user", "content": "What?", "images": [WAV]}]}),
        ("/api/chat", {"messages": [USER]}),
    ):
        status, answer = refused(address, path, stream=False, **body)
        assert status == 400, (path, answer)
        assert isinstance(answer["error"], str)
