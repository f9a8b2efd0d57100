"""`/v1/tokenize` and `/v1/detokenize`: what a worker is asked, and what the client reads."""

from collections.abc import AsyncGenerator
from typing import Any

import httpx
import pytest

from mlx_gui.api.notices import Notices
from mlx_gui.api.openai.chat.translate import to_core
from mlx_gui.api.openai.chat.wire import ChatCompletionRequest
from mlx_gui.api.pictures import Shown
from mlx_gui.core.errors import InvalidRequest
from mlx_gui.core.generation import (
    Detokenized,
    DetokenizeRequest,
    Event,
    Failed,
    GenerateRequest,
    Tokenized,
    TokenizeRequest,
    Usage,
)
from tests.unit.api.parts import ScriptedDispatch

HELLO = {"role": "user", "content": "Hi"}
WEATHER = {"type": "function", "function": {"name": "weather"}}


async def answer_any(request: Any) -> AsyncGenerator[Event]:
    match request:
        case TokenizeRequest():
            yield Tokenized((5, 7), ("Hel", "lo"))
        case _:
            yield Detokenized("Hello")
    yield Usage(2, 0)


def ask(address: str, path: str, **fields: object) -> httpx.Response:
    return httpx.post(f"{address}/v1/{path}", json={"model": "org/one", **fields})


def asked(dispatch: ScriptedDispatch) -> Any:
    (request,) = dispatch.asked
    return request


def test_a_text_becomes_tokens(address: str, dispatch: ScriptedDispatch) -> None:
    dispatch.script = answer_any

    answer = ask(address, "tokenize", prompt="Hello")

    assert answer.json() == {"tokens": [5, 7], "count": 2, "max_model_len": 4096}
    assert asked(dispatch) == TokenizeRequest(GenerateRequest(prompt="Hello"), special=True)


def test_the_texts_of_the_tokens_come_when_asked_for(
    address: str, dispatch: ScriptedDispatch
) -> None:
    dispatch.script = answer_any

    answer = ask(address, "tokenize", prompt="", add_special_tokens=False, return_token_strs=True)

    assert answer.json()["token_strs"] == ["Hel", "lo"]
    assert asked(dispatch) == TokenizeRequest(GenerateRequest(prompt=""), special=False)


def test_a_conversation_becomes_the_tokens_that_a_chat_would_read(
    address: str, dispatch: ScriptedDispatch
) -> None:
    dispatch.script = answer_any
    conversation: dict[str, Any] = {
        "messages": [HELLO, {"role": "assistant", "content": "Well"}],
        "tools": [WEATHER],
        "reasoning_effort": "low",
        "chat_template_kwargs": {"a": 1},
        "continue_final_message": True,
    }

    assert ask(address, "tokenize", **conversation).status_code == 200

    chat = ChatCompletionRequest.model_validate({"model": "org/one", **conversation})
    assert asked(dispatch) == TokenizeRequest(to_core(chat, shown=Shown(Notices())))


def test_tokens_become_a_text(address: str, dispatch: ScriptedDispatch) -> None:
    dispatch.script = answer_any

    answer = ask(address, "detokenize", tokens=[5, 7])

    assert answer.json() == {"prompt": "Hello"}
    assert asked(dispatch) == DetokenizeRequest((5, 7))


@pytest.mark.parametrize(
    ("path", "fields"), [("tokenize", {"prompt": "a"}), ("detokenize", {"tokens": [9]})]
)
def test_what_the_worker_refuses_is_a_plain_error(
    address: str, dispatch: ScriptedDispatch, path: str, fields: dict[str, object]
) -> None:
    async def refuse(_: GenerateRequest) -> AsyncGenerator[Event]:
        yield Failed(InvalidRequest("There is no token 9.", hint="Send others.").info())

    dispatch.script = refuse

    answer = ask(address, path, **fields)

    assert answer.status_code == 400
    assert answer.json()["error"]["message"] == "There is no token 9."
