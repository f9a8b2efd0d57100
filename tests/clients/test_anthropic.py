"""The official anthropic client against a real server."""

import asyncio
import json
import re
from collections.abc import Iterator
from itertools import groupby
from typing import Any

import anthropic
import pytest
from anthropic import Anthropic, AsyncAnthropic, beta_tool
from anthropic.types import MessageParam, ToolParam
from pydantic import BaseModel

from tests.support.server import Server

HELLO: list[MessageParam] = [{"role": "user", "content": "Hello out there"}]
ANSWER = "You said: Hello out there"
WEATHER: ToolParam = {
    "name": "get_weather",
    "description": "The weather of a city now.",
    "input_schema": {"type": "object", "properties": {"city": {"type": "string"}}},
}
CALLS = [
    {"name": "get_weather", "arguments": {"city": "São Paulo", "days": [1, 2]}},
    {"name": "get_weather", "arguments": {}},
]


class Weather(BaseModel):
    city: str
    degrees: int


def script(**fields: Any) -> MessageParam:
    """A message that tells the fake engine what to answer."""
    return {"role": "user", "content": json.dumps({"fake": fields})}


@pytest.fixture(scope="module")
def client(server: Server) -> Iterator[Anthropic]:
    with Anthropic(base_url=server.address, api_key="none", max_retries=0) as client:
        yield client


def test_it_lists_the_models(client: Anthropic) -> None:
    assert "fake/echo" in [model.id for model in client.models.list()]
    assert client.models.retrieve("fake/echo").id == "fake/echo"


def test_it_gets_a_whole_answer(client: Anthropic) -> None:
    message = client.messages.create(
        model="fake/echo", max_tokens=100, messages=HELLO, system="Be brief."
    )

    assert message.id.startswith("msg_")
    assert (message.type, message.role, message.model) == ("message", "assistant", "fake/echo")
    (block,) = message.content
    assert block.type == "text"
    assert block.text == ANSWER
    assert (message.stop_reason, message.stop_sequence) == ("end_turn", None)
    assert message.usage.output_tokens == 5
    assert message.usage.input_tokens > 0
    assert message.usage.cache_read_input_tokens == 0
    assert message._request_id


def test_it_streams_word_by_word(client: Anthropic) -> None:
    with client.messages.stream(model="fake/echo", max_tokens=100, messages=HELLO) as stream:
        text = "".join(stream.text_stream)
        message = stream.get_final_message()

    assert text == stream.get_final_text() == ANSWER
    assert (message.stop_reason, message.usage.output_tokens) == ("end_turn", 5)
    assert stream.request_id


def test_it_reads_the_raw_events_in_order(client: Anthropic) -> None:
    with client.messages.create(
        model="fake/echo", max_tokens=2, messages=HELLO, stream=True
    ) as stream:
        kinds = [kind for kind, _ in groupby(event.type for event in stream)]

    assert kinds == [
        "message_start",
        "content_block_start",
        "content_block_delta",
        "content_block_stop",
        "message_delta",
        "message_stop",
    ]


def test_the_asynchronous_client_does_the_same(server: Server) -> None:
    async def ask() -> tuple[str, str, int]:
        async with AsyncAnthropic(base_url=server.address, api_key="none") as client:
            message = await client.messages.create(
                model="fake/echo", max_tokens=100, messages=HELLO
            )
            async with client.messages.stream(
                model="fake/echo", max_tokens=100, messages=HELLO
            ) as stream:
                text = "".join([text async for text in stream.text_stream])
            counted = await client.messages.count_tokens(model="fake/echo", messages=HELLO)
        assert message.content[0].type == "text"
        return message.content[0].text, text, counted.input_tokens

    assert asyncio.run(ask()) == (ANSWER, ANSWER, 3)


@pytest.mark.parametrize("stream", [False, True])
def test_a_limit_and_a_stop_sequence_end_the_answer(client: Anthropic, stream: bool) -> None:
    def ask(**fields: Any) -> tuple[str, str | None, str | None]:
        asked = {"model": "fake/echo", "max_tokens": 100, "messages": HELLO, **fields}
        if stream:
            with client.messages.stream(**asked) as events:
                message = events.get_final_message()
        else:
            message = client.messages.create(**asked)
        assert message.content[0].type == "text"
        return message.content[0].text, message.stop_reason, message.stop_sequence

    assert ask(max_tokens=2) == ("You said:", "max_tokens", None)
    assert ask(stop_sequences=["x", " out"]) == ("You said: Hello", "stop_sequence", " out")


@pytest.mark.parametrize("stream", [False, True])
def test_a_thinking_model_answers_after_its_thought(client: Anthropic, stream: bool) -> None:
    asked: Any = {
        "model": "fake/echo",
        "max_tokens": 2000,
        "messages": [script(reasoning="Let me see", text="Yes")],
        "thinking": {"type": "enabled", "budget_tokens": 1024},
    }
    if stream:
        with client.messages.stream(**asked) as events:
            thought = "".join(event.thinking for event in events if event.type == "thinking")
            message = events.get_final_message()
        assert thought == "Let me see"
    else:
        message = client.messages.create(**asked)

    thinking, text = message.content
    assert thinking.type == "thinking"
    assert (thinking.thinking, thinking.signature) == ("Let me see", "")
    assert text.type == "text"
    assert text.text == "Yes"
    assert message.usage.output_tokens_details is not None
    assert message.usage.output_tokens_details.thinking_tokens == 3


@pytest.mark.parametrize("stream", [False, True])
def test_a_tool_is_called_and_its_result_answered(client: Anthropic, stream: bool) -> None:
    asked: Any = {
        "model": "fake/echo",
        "max_tokens": 100,
        "tools": [WEATHER],
        "messages": [script(text="I look.", calls=CALLS)],
    }
    if stream:
        with client.messages.stream(**asked) as events:
            snapshots = [event.snapshot for event in events if event.type == "input_json"]
            message = events.get_final_message()
        assert {"city": "São Paulo", "days": [1, 2]} in snapshots
    else:
        message = client.messages.create(**asked)

    text, first, second = message.content
    assert message.stop_reason == "tool_use"
    assert text.type == "text"
    assert first.type == second.type == "tool_use"
    assert (first.name, first.input) == ("get_weather", CALLS[0]["arguments"])
    assert second.input == {}
    assert len({first.id, second.id}) == 2

    results: Any = [
        {"type": "tool_result", "tool_use_id": first.id, "content": "Sunny"},
        {"type": "tool_result", "tool_use_id": second.id, "is_error": True},
        {"type": "text", "text": "So?"},
    ]
    last = client.messages.create(
        model="fake/echo",
        max_tokens=100,
        tools=[WEATHER],
        messages=[*asked["messages"], message.to_param(), {"role": "user", "content": results}],
    )
    assert last.content[0].type == "text"
    assert last.content[0].text == "You said: So?"


def test_the_clients_own_tool_loop_runs_the_tools(client: Anthropic) -> None:
    asked_for: list[str] = []

    @beta_tool
    def get_weather(city: str) -> str:
        """The weather of a city now.

        Args:
            city: Its name.
        """
        asked_for.append(city)
        return "Sunny"

    call = {"name": "get_weather", "arguments": {"city": "Paris"}}
    runner = client.beta.messages.tool_runner(
        model="fake/echo",
        max_tokens=100,
        tools=[get_weather],
        messages=[{"role": "user", "content": json.dumps({"fake": {"calls": [call]}})}],
        max_iterations=4,
    )

    assert [message.stop_reason for message in runner] == ["tool_use"] * 4
    assert asked_for[:3] == ["Paris"] * 3


@pytest.mark.parametrize("choice", [{"type": "any"}, {"type": "tool", "name": "get_weather"}])
def test_a_tool_can_be_asked_for(client: Anthropic, choice: Any) -> None:
    message = client.messages.create(
        model="fake/echo", max_tokens=100, messages=HELLO, tools=[WEATHER], tool_choice=choice
    )

    assert [block.type for block in message.content] == ["tool_use"]


def test_a_call_that_is_cut_off_is_kept(client: Anthropic) -> None:
    message = client.messages.create(
        model="fake/echo", max_tokens=2, tools=[WEATHER], messages=[script(calls=CALLS)]
    )

    (block,) = message.content
    assert message.stop_reason == "max_tokens"
    assert block.type == "tool_use"
    assert block.input == {"INVALID_JSON": '{"city":"São Paulo",'}


def test_an_answer_is_parsed_by_its_schema(client: Anthropic) -> None:
    text = '{"city": "Paris", "degrees": 21}'

    message = client.messages.parse(
        model="fake/echo", max_tokens=100, messages=[script(text=text)], output_format=Weather
    )

    assert message.parsed_output == Weather(city="Paris", degrees=21)


def test_the_beta_endpoints_of_the_client_work_too(client: Anthropic) -> None:
    message = client.beta.messages.create(
        model="fake/echo", max_tokens=100, messages=HELLO, betas=["interleaved-thinking-2025-05-14"]
    )
    counted = client.beta.messages.count_tokens(model="fake/echo", messages=HELLO)

    assert message.content[0].type == "text"
    assert message.content[0].text == ANSWER
    assert counted.input_tokens == 3


def test_tokens_are_counted_without_an_answer(client: Anthropic) -> None:
    plain = client.messages.count_tokens(model="fake/echo", messages=HELLO)
    longer = client.messages.count_tokens(
        model="fake/echo", messages=HELLO, system="Be brief.", tools=[WEATHER]
    )

    assert (plain.input_tokens, longer.input_tokens) == (3, 5)


def test_an_unknown_model_is_not_found(client: Anthropic) -> None:
    with pytest.raises(anthropic.NotFoundError) as refusal:
        client.messages.create(model="no/such-model", max_tokens=1, messages=HELLO)

    assert refusal.value.type == "not_found_error"
    assert refusal.value.error_code == "model_not_found"
    assert "no/such-model" in refusal.value.message
    assert refusal.value.request_id == refusal.value.response.headers["x-request-id"]


def test_a_bad_parameter_is_a_bad_request(client: Anthropic) -> None:
    with pytest.raises(anthropic.BadRequestError) as refusal:
        client.messages.create(
            model="fake/echo", max_tokens=1, messages=HELLO, extra_body={"temperature": 2}
        )

    assert refusal.value.type == "invalid_request_error"
    assert "between 0 and 1" in refusal.value.message


def test_a_picture_is_refused_and_not_fetched(client: Anthropic) -> None:
    picture: Any = {
        "type": "image",
        "source": {"type": "url", "url": "http://127.0.0.1:9/never-fetched.png"},
    }

    with pytest.raises(anthropic.BadRequestError) as refusal:
        client.messages.create(
            model="fake/echo", max_tokens=1, messages=[{"role": "user", "content": [picture]}]
        )

    assert refusal.value.error_code == "capability_missing"


def test_a_prompt_longer_than_the_context_is_refused(client: Anthropic) -> None:
    with pytest.raises(anthropic.BadRequestError) as refusal:
        client.messages.create(
            model="fake/echo",
            max_tokens=1,
            messages=[{"role": "user", "content": "word " * 5000}],
        )

    assert refusal.value.error_code == "context_length_exceeded"
    assert re.search(r"prompt is too long: 500\d tokens > \d+ maximum", refusal.value.message)


def test_batches_are_not_found(client: Anthropic) -> None:
    with pytest.raises(anthropic.NotFoundError):
        client.messages.batches.list()


def test_a_worker_that_dies_is_an_internal_error(client: Anthropic) -> None:
    with pytest.raises(anthropic.InternalServerError) as failure:
        client.messages.create(model="fake/crash", max_tokens=100, messages=HELLO)

    assert failure.value.error_code == "worker_failed"


def test_a_worker_that_dies_ends_the_stream_with_an_error(client: Anthropic) -> None:
    with (
        client.messages.stream(model="fake/crash", max_tokens=100, messages=HELLO) as stream,
        pytest.raises(anthropic.APIStatusError) as failure,
    ):
        list(stream)

    assert failure.value.type == "api_error"
    assert failure.value.error_code == "worker_failed"


def test_leaving_a_stream_early_leaves_the_client_usable(client: Anthropic) -> None:
    with client.messages.stream(model="fake/slow", max_tokens=100, messages=HELLO) as stream:
        next(stream.text_stream)

    message = client.messages.create(model="fake/echo", max_tokens=100, messages=HELLO)
    assert message.stop_reason == "end_turn"
