"""The official anthropic client on a real model, tiny and trained here."""

from collections.abc import Iterator
from typing import Any

import pytest
from anthropic import Anthropic
from anthropic.types import MessageParam

from tests.support.server import Server

NAME = "Qwen3-tiny-trained"
HELLO: list[MessageParam] = [{"role": "user", "content": "Hello"}]
GREEDY: Any = {"temperature": 0}


@pytest.fixture(scope="module")
def client(real: Server) -> Iterator[Anthropic]:
    with Anthropic(base_url=real.address, api_key="none", max_retries=0) as client:
        yield client


def test_a_stream_and_a_whole_answer_say_the_same(client: Anthropic) -> None:
    message = client.messages.create(model=NAME, max_tokens=12, messages=HELLO, extra_body=GREEDY)
    with client.messages.stream(
        model=NAME, max_tokens=12, messages=HELLO, extra_body=GREEDY
    ) as stream:
        streamed = stream.get_final_message()

    assert message.content
    assert [block.to_dict() for block in message.content] == [
        {key: value for key, value in block.to_dict().items() if key != "parsed_output"}
        for block in streamed.content
    ]
    assert message.stop_reason == streamed.stop_reason
    assert message.usage.output_tokens == streamed.usage.output_tokens <= 12


def test_as_many_tokens_are_counted_as_are_read(client: Anthropic) -> None:
    asked: Any = {"model": NAME, "messages": HELLO, "system": "Be brief."}

    counted = client.messages.count_tokens(**asked)
    usage = client.messages.create(**asked, max_tokens=1).usage

    assert counted.input_tokens == usage.input_tokens + (usage.cache_read_input_tokens or 0)
