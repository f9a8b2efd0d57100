"""The official openai client's responses against a real server."""

import asyncio
import json
from collections.abc import Iterator
from typing import Any

import openai
import pytest
from openai import AsyncOpenAI, OpenAI
from openai.types.responses import CustomToolParam, FunctionToolParam, NamespaceToolParam
from pydantic import BaseModel

from tests.support.server import Server

HELLO = "Hello out there"
ANSWER = f"You said: {HELLO}"
WEATHER: FunctionToolParam = {
    "type": "function",
    "name": "get_weather",
    "description": "The weather of a city.",
    "parameters": {
        "type": "object",
        "properties": {"city": {"type": "string"}},
        "required": ["city"],
        "additionalProperties": False,
    },
    "strict": True,
}


class City(BaseModel):
    name: str
    people: int


def script(**fields: Any) -> str:
    return json.dumps({"fake": fields})


@pytest.fixture(scope="module")
def client(server: Server) -> Iterator[OpenAI]:
    with OpenAI(base_url=f"{server.address}/v1", api_key="none", max_retries=0) as client:
        yield client


def test_it_gets_a_response_and_finds_it_again(client: OpenAI) -> None:
    response = client.responses.create(
        model="fake/echo", input=HELLO, instructions="Be kind.", metadata={"topic": "greeting"}
    )

    assert response.output_text == ANSWER
    assert response.status == "completed"
    assert response.model == "fake/echo"
    assert response.usage is not None
    assert response.usage.output_tokens == 5
    again = client.responses.retrieve(response.id)
    assert again.output_text == ANSWER
    assert again.metadata == {"topic": "greeting"}


def test_it_streams_word_by_word(client: OpenAI) -> None:
    text = script(text=ANSWER, delay_ms=20)
    with client.responses.create(model="fake/echo", input=text, stream=True) as stream:
        events = list(stream)

    assert [events[0].type, events[-1].type] == ["response.created", "response.completed"]
    assert [event.sequence_number for event in events] == list(range(len(events)))
    texts = [event.delta for event in events if event.type == "response.output_text.delta"]
    assert "".join(texts) == ANSWER
    assert len(texts) > 1


def test_its_stream_helper_puts_the_response_together(client: OpenAI) -> None:
    text = script(
        text="One moment.",
        reasoning="let me see",
        calls=[{"name": "get_weather", "arguments": {"city": "Paris"}}],
    )
    with client.responses.stream(model="fake/echo", input=text, tools=[WEATHER]) as stream:
        kinds = {event.type for event in stream}
        response = stream.get_final_response()

    assert "response.reasoning_text.delta" in kinds
    assert "response.function_call_arguments.delta" in kinds
    thought, message, call = response.output
    assert thought.type == "reasoning"
    assert thought.content is not None
    assert thought.content[0].text == "let me see"
    assert message.type == "message"
    assert response.output_text == "One moment."
    assert call.type == "function_call"
    assert json.loads(call.arguments) == {"city": "Paris"}
    assert call.parsed_arguments == {"city": "Paris"}


def test_it_parses_what_was_asked_for_as_a_type(client: OpenAI) -> None:
    text = script(text='{"name": "Paris", "people": 2000000}')

    response = client.responses.parse(model="fake/echo", input=text, text_format=City)

    assert response.output_parsed == City(name="Paris", people=2_000_000)
    with client.responses.stream(model="fake/echo", input=text, text_format=City) as stream:
        stream.until_done()
        assert stream.get_final_response().output_parsed == response.output_parsed


def test_a_conversation_goes_on_from_response_to_response(client: OpenAI) -> None:
    first = client.responses.create(model="fake/echo", input="one two three")
    second = client.responses.create(model="fake/echo", input="four", previous_response_id=first.id)
    alone = client.responses.create(model="fake/echo", input="four")

    assert second.output_text == "You said: four"
    assert second.previous_response_id == first.id
    assert second.usage is not None
    assert alone.usage is not None
    # What the fake engine counts: the words of every message, and one for the message itself.
    assert second.usage.input_tokens == alone.usage.input_tokens + 4 + 6


def test_a_tool_loop_runs_to_its_end(client: OpenAI) -> None:
    asked = client.responses.create(
        model="fake/echo", input="Weather in Paris?", tools=[WEATHER], tool_choice="required"
    )
    (call,) = [item for item in asked.output if item.type == "function_call"]

    answered = client.responses.create(
        model="fake/echo",
        previous_response_id=asked.id,
        input=[{"type": "function_call_output", "call_id": call.call_id, "output": "Sunny."}],
        tools=[WEATHER],
    )
    by_hand = client.responses.create(
        model="fake/echo",
        store=False,
        include=["reasoning.encrypted_content"],
        input=[
            {"role": "user", "content": "Weather in Paris?"},
            *[item.to_dict() for item in asked.output],  # type: ignore[list-item]
            {"type": "function_call_output", "call_id": call.call_id, "output": "Sunny."},
        ],
    )

    assert call.name == "get_weather"
    assert answered.status == by_hand.status == "completed"


def test_it_lists_the_input_and_deletes_a_response(client: OpenAI) -> None:
    response = client.responses.create(
        model="fake/echo",
        input=[{"role": "user", "content": f"Line {number}"} for number in range(3)],
    )

    items = list(client.responses.input_items.list(response.id, limit=2, order="asc"))
    assert [item.type for item in items] == ["message"] * 3
    assert len({item.id for item in items}) == 3

    client.responses.delete(response.id)
    with pytest.raises(openai.NotFoundError):
        client.responses.retrieve(response.id)


def test_it_gets_log_probabilities(client: OpenAI) -> None:
    response = client.responses.create(
        model="fake/echo",
        input=HELLO,
        top_logprobs=2,
        include=["message.output_text.logprobs"],
    )

    (message,) = response.output
    assert message.type == "message"
    (part,) = message.content
    assert part.type == "output_text"
    assert part.logprobs is not None
    assert "".join(each.token for each in part.logprobs) == ANSWER
    assert all(len(each.top_logprobs) == 2 for each in part.logprobs)


def test_a_limit_makes_a_response_incomplete(client: OpenAI) -> None:
    response = client.responses.create(model="fake/echo", input=HELLO, max_output_tokens=2)

    assert response.status == "incomplete"
    assert response.incomplete_details is not None
    assert response.incomplete_details.reason == "max_output_tokens"
    assert response.output_text == "You said:"


def test_it_counts_the_input(client: OpenAI) -> None:
    counted = client.responses.input_tokens.count(model="fake/echo", input="one two three")

    assert counted.input_tokens == 3


def test_an_unknown_response_cannot_be_continued(client: OpenAI) -> None:
    with pytest.raises(openai.BadRequestError) as refusal:
        client.responses.create(
            model="fake/echo", input=HELLO, previous_response_id="resp_" + "0" * 32
        )

    assert refusal.value.code == "previous_response_not_found"
    assert refusal.value.param == "previous_response_id"


def test_a_tool_that_only_openai_has_cannot_be_demanded(client: OpenAI) -> None:
    with pytest.raises(openai.BadRequestError, match="web_search") as refusal:
        client.responses.create(
            model="fake/echo", input=HELLO, tools=[{"type": "web_search"}], tool_choice="required"
        )

    assert refusal.value.param == "tool_choice"


def test_a_tool_that_only_openai_has_is_left_out_and_named(client: OpenAI) -> None:
    answer = client.responses.with_raw_response.create(
        model="fake/echo", input=HELLO, tools=[{"type": "web_search"}, WEATHER]
    )

    response = answer.parse()
    assert answer.headers["x-mlx-gui-left-out"] == "web_search"
    assert response.model_extra is not None
    assert response.model_extra["mlx_gui"] == {"left_out": ["web_search"]}
    assert [tool.type for tool in response.tools] == ["function"]
    assert response.output_text == ANSWER


def test_a_function_of_a_namespace_is_called_and_answered(client: OpenAI) -> None:
    agents: NamespaceToolParam = {
        "type": "namespace",
        "name": "agents",
        "description": "Other agents.",
        "tools": [{"type": "function", "name": "spawn", "parameters": {"type": "object"}}],
    }
    text = script(calls=[{"name": "spawn", "arguments": {}}])
    with client.responses.stream(model="fake/echo", input=text, tools=[agents, WEATHER]) as stream:
        begun = [event for event in stream if event.type == "response.output_item.added"]
        response = stream.get_final_response()

    (call,) = response.output
    assert call.type == "function_call"
    assert (call.namespace, call.name) == ("agents", "spawn")
    assert begun[-1].item.model_dump()["namespace"] == "agents"
    answered = client.responses.create(
        model="fake/echo",
        input=[
            {"role": "user", "content": HELLO},
            call.to_dict(),  # type: ignore[list-item]
            {"type": "function_call_output", "call_id": call.call_id, "output": "Done."},
        ],
        tools=[agents, WEATHER],
    )
    assert answered.status == "completed"


def test_a_custom_tool_is_called_with_text(client: OpenAI) -> None:
    patch = '*** Begin "Patch"\n+ä\n*** End'
    tool: CustomToolParam = {"type": "custom", "name": "apply_patch"}
    text = script(calls=[{"name": "apply_patch", "arguments": {"input": patch}}])
    with client.responses.create(
        model="fake/echo", input=text, tools=[tool], stream=True
    ) as stream:
        events = list(stream)

    said = [
        event.delta for event in events if event.type == "response.custom_tool_call_input.delta"
    ]
    assert "".join(said) == patch
    done = [event for event in events if event.type == "response.custom_tool_call_input.done"]
    assert [event.input for event in done] == [patch]
    last = events[-1]
    assert last.type == "response.completed"
    (call,) = last.response.output
    assert call.type == "custom_tool_call"
    assert (call.name, call.input) == ("apply_patch", patch)
    answered = client.responses.create(
        model="fake/echo",
        previous_response_id=last.response.id,
        input=[{"type": "custom_tool_call_output", "call_id": call.call_id, "output": "Done."}],
        tools=[tool],
    )
    assert answered.status == "completed"


def test_a_worker_that_dies_ends_the_stream_with_an_api_error(client: OpenAI) -> None:
    with client.responses.create(model="fake/crash", input=HELLO, stream=True) as stream:
        seen: list[str] = []
        with pytest.raises(openai.APIError) as failure:
            seen.extend(event.type for event in stream)

    assert seen[-1] == "response.failed"
    assert failure.value.code == "worker_failed"


async def converse(address: str) -> list[str]:
    async with AsyncOpenAI(base_url=f"{address}/v1", api_key="none", max_retries=0) as client:
        first = await client.responses.create(model="fake/echo", input="one")
        async with client.responses.stream(
            model="fake/echo", input="two", previous_response_id=first.id
        ) as stream:
            second = await stream.get_final_response()
        await client.responses.delete(first.id)
        return [first.output_text, second.output_text]


def test_the_asynchronous_client_does_the_same(server: Server) -> None:
    assert asyncio.run(converse(server.address)) == ["You said: one", "You said: two"]
