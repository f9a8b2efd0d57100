"""What a model is asked says who asked it, where and by which names, in every family."""

from typing import Any

import httpx
import pytest

from mlx_gui.api.serving import MAX_CLIENT_CHARACTERS
from mlx_gui.core.model import Capability
from tests.unit.api.parts import ScriptedDispatch

HELLO = [{"role": "user", "content": "Hi"}]
ANSWERED: list[tuple[str, dict[str, Any], Capability, int]] = [
    ("/v1/chat/completions", {"messages": HELLO, "n": 3}, "chat", 3),
    ("/v1/completions", {"prompt": "Hi", "n": 2}, "completion", 2),
    ("/v1/completions", {"prompt": "Hi", "suffix": "there"}, "fill_in_the_middle", 1),
    ("/v1/responses", {"input": "Hi", "store": False}, "chat", 1),
    ("/v1/messages", {"messages": HELLO, "max_tokens": 5}, "chat", 1),
    ("/api/chat", {"messages": HELLO}, "chat", 1),
    ("/api/generate", {"prompt": "Hi"}, "chat", 1),
    ("/api/generate", {"prompt": "Hi", "raw": True}, "completion", 1),
    ("/api/generate", {"prompt": "Hi", "suffix": "there"}, "fill_in_the_middle", 1),
]
COUNTED: list[tuple[str, dict[str, Any], Capability, int]] = [
    ("/v1/tokenize", {"prompt": "Hi"}, "completion", 0),
    ("/v1/tokenize", {"messages": HELLO}, "chat", 0),
    ("/v1/detokenize", {"tokens": [1]}, "completion", 0),
    ("/v1/responses/input_tokens", {"input": "Hi"}, "chat", 0),
    ("/v1/messages/count_tokens", {"messages": HELLO}, "chat", 0),
]


@pytest.mark.parametrize(("path", "fields", "needs", "credits"), [*ANSWERED, *COUNTED])
def test_an_ask_has_its_author_its_place_and_what_it_needs(
    address: str,
    dispatch: ScriptedDispatch,
    path: str,
    fields: dict[str, Any],
    needs: Capability,
    credits: int,
) -> None:
    headers = {
        "x-request-id": "mine",
        "user-agent": "tester/1 " + "x" * 1000,
        "x-mlx-gui-priority": "3",
    }
    httpx.post(address + path, json={"model": "org/one", **fields}, headers=headers)

    (ask,) = dispatch.asks
    assert (ask.request_id, ask.endpoint, ask.tenant, ask.key_id) == ("mine", path, "local", None)
    assert ask.client.startswith("tester/1 xxx")
    assert len(ask.client) == MAX_CLIENT_CHARACTERS
    assert (ask.needs, ask.credits, ask.priority) == (needs, credits, 3)
    assert ask.id not in ("", "mine")


def test_each_prompt_of_a_request_is_an_ask_of_its_own(
    address: str, dispatch: ScriptedDispatch
) -> None:
    body = {"model": "org/one", "prompt": ["a", "b"]}
    answer = httpx.post(f"{address}/v1/completions", json=body).json()

    assert {ask.id for ask in dispatch.asks} == {f"{answer['id']}-0", f"{answer['id']}-1"}
    assert len({ask.request_id for ask in dispatch.asks}) == 1
