"""The official openai client: structured answers, tools, thoughts, several answers, chances."""

import asyncio
import json
from collections.abc import Iterator
from typing import Any

import openai
import pytest
from openai import AsyncOpenAI, OpenAI, pydantic_function_tool
from openai.types.chat import ChatCompletionMessageParam
from pydantic import BaseModel

from tests.support.server import Server

MODEL = "fake/echo"
CALLS = [
    {"name": "Weather", "arguments": {"city": "Paris", "days": 2}},
    {"name": "Weather", "arguments": {"city": "Rome", "days": 1}},
]


class Weather(BaseModel):
    """The weather of a city."""

    city: str
    days: int


TOOL = pydantic_function_tool(Weather)


@pytest.fixture(scope="module")
def client(server: Server) -> Iterator[OpenAI]:
    with OpenAI(base_url=f"{server.address}/v1", api_key="none", max_retries=0) as client:
        yield client


def script(**fields: object) -> list[ChatCompletionMessageParam]:
    return [{"role": "user", "content": json.dumps({"fake": fields})}]


def chunks(client: OpenAI, **fields: Any) -> list[Any]:
    with client.chat.completions.create(model=MODEL, stream=True, **fields) as stream:
        return list(stream)


def test_a_structured_answer_is_parsed(client: OpenAI) -> None:
    answer = client.chat.completions.parse(
        model=MODEL,
        messages=script(text='{"city": "Paris", "days": 2}'),
        response_format=Weather,
    )

    assert answer.choices[0].message.parsed == Weather(city="Paris", days=2)


def test_called_tools_are_parsed(client: OpenAI) -> None:
    answer = client.chat.completions.parse(model=MODEL, messages=script(calls=CALLS), tools=[TOOL])

    choice = answer.choices[0]
    assert choice.finish_reason == "tool_calls"
    assert choice.message.content is None
    assert [call.function.parsed_arguments for call in choice.message.tool_calls or ()] == [
        Weather(city="Paris", days=2),
        Weather(city="Rome", days=1),
    ]


def test_the_streaming_helper_puts_a_structured_answer_together(client: OpenAI) -> None:
    text = '{"city": "Paris", "days": 2}'
    with client.chat.completions.stream(
        model=MODEL,
        messages=script(text=text),
        response_format=Weather,
        stream_options={"include_usage": True},
    ) as stream:
        events = list(stream)

    assert "".join(event.delta for event in events if event.type == "content.delta") == text
    final = stream.get_final_completion()
    assert final.choices[0].message.parsed == Weather(city="Paris", days=2)
    assert final.usage is not None
    assert final.usage.completion_tokens == 4


def test_the_streaming_helper_puts_calls_together(client: OpenAI) -> None:
    with client.chat.completions.stream(
        model=MODEL, messages=script(text="Let me see.", calls=CALLS), tools=[TOOL]
    ) as stream:
        finished = [e for e in stream if e.type == "tool_calls.function.arguments.done"]

    message = stream.get_final_completion().choices[0].message
    assert message.content == "Let me see."
    assert [call.function.parsed_arguments for call in message.tool_calls or ()] == [
        Weather(city="Paris", days=2),
        Weather(city="Rome", days=1),
    ]
    assert [(event.index, event.name) for event in finished] == [(0, "Weather"), (1, "Weather")]


def test_calls_stream_by_an_opening_and_then_pieces_of_their_arguments(client: OpenAI) -> None:
    deltas = [
        call
        for chunk in chunks(client, messages=script(calls=CALLS), tools=[TOOL])
        for call in chunk.choices[0].delta.tool_calls or ()
    ]

    opened = [call for call in deltas if call.id]
    assert [(call.index, call.function.name, call.function.arguments) for call in opened] == [
        (0, "Weather", ""),
        (1, "Weather", ""),
    ]
    arguments = ["", ""]
    for call in deltas:
        arguments[call.index] += call.function.arguments or ""
    assert [json.loads(each) for each in arguments] == [each["arguments"] for each in CALLS]


def test_a_conversation_goes_on_after_a_tools_result(client: OpenAI) -> None:
    messages = script(calls=CALLS[:1])
    called = client.chat.completions.create(model=MODEL, messages=messages, tools=[TOOL])
    message = called.choices[0].message
    (call,) = message.tool_calls or ()
    answer = client.chat.completions.create(
        model=MODEL,
        messages=[
            *messages,
            message.to_dict(),  # pyright: ignore[reportArgumentType]
            {"role": "tool", "tool_call_id": call.id, "content": "sunny"},
            {"role": "user", "content": "So?"},
        ],
        tools=[TOOL],
    )

    assert answer.choices[0].message.content == "You said: So?"


@pytest.mark.parametrize(
    "choice", ["required", {"type": "function", "function": {"name": "Weather"}}]
)
def test_a_tool_can_be_made_to_be_called(client: OpenAI, choice: Any) -> None:
    answer = client.chat.completions.create(
        model=MODEL,
        messages=[{"role": "user", "content": "Hello"}],
        tools=[TOOL],
        tool_choice=choice,
    )

    (call,) = answer.choices[0].message.tool_calls or ()
    assert call.type == "function"
    assert (call.function.name, call.function.arguments) == ("Weather", "{}")


def test_the_older_functions_are_called_in_the_older_form(client: OpenAI) -> None:
    fields: Any = {
        "messages": script(calls=CALLS[:1]),
        "functions": [{"name": "Weather", "parameters": {"type": "object", "properties": {}}}],
    }
    answer = client.chat.completions.create(model=MODEL, **fields)
    streamed = chunks(client, **fields)

    choice = answer.choices[0]
    assert choice.finish_reason == streamed[-1].choices[0].finish_reason == "function_call"
    assert choice.message.tool_calls is None
    assert choice.message.function_call is not None
    assert choice.message.function_call.name == "Weather"
    pieces = [chunk.choices[0].delta.function_call for chunk in streamed]
    text = "".join(piece.arguments for piece in pieces if piece)
    assert json.loads(text) == json.loads(choice.message.function_call.arguments)


@pytest.mark.parametrize(
    ("extra", "content", "thought"),
    [
        ({}, "Yes.", "Let me see"),
        ({"reasoning_format": "parsed"}, "Yes.", "Let me see"),
        ({"reasoning_format": "raw"}, "Let me seeYes.", ""),
        ({"reasoning_format": "hidden"}, "Yes.", ""),
        ({"include_reasoning": False}, "Yes.", ""),
    ],
)
def test_a_thought_comes_apart_from_the_content(
    client: OpenAI, extra: dict[str, object], content: str, thought: str
) -> None:
    fields: Any = {
        "messages": script(text="Yes.", reasoning="Let me see"),
        "extra_body": extra,
        "stream_options": {"include_usage": True},
    }
    *streamed, last = chunks(client, **fields)
    del fields["stream_options"]
    whole = client.chat.completions.create(model=MODEL, **fields)

    message = whole.choices[0].message
    assert (message.content, getattr(message, "reasoning_content", "")) == (content, thought)
    deltas = [chunk.choices[0].delta for chunk in streamed]
    assert "".join(delta.content or "" for delta in deltas) == content
    assert "".join(getattr(delta, "reasoning_content", "") for delta in deltas) == thought
    assert whole.usage is not None
    assert whole.usage.completion_tokens_details is not None
    assert whole.usage.completion_tokens_details == last.usage.completion_tokens_details
    raw = extra.get("reasoning_format") == "raw"
    assert whole.usage.completion_tokens_details.reasoning_tokens == (0 if raw else 3)


def test_several_answers_come_side_by_side(client: OpenAI) -> None:
    fields: Any = {"messages": script(text="one two three"), "n": 3, "max_tokens": 2}
    whole = client.chat.completions.create(model=MODEL, **fields)
    streamed = chunks(client, **fields)

    assert [choice.index for choice in whole.choices] == [0, 1, 2]
    assert {choice.message.content for choice in whole.choices} == {"one two"}
    assert {choice.finish_reason for choice in whole.choices} == {"length"}
    assert whole.usage is not None
    assert whole.usage.completion_tokens == 6
    for index in range(3):
        own = [c.choices[0] for c in streamed if c.choices[0].index == index]
        assert own[0].delta.role == "assistant"
        assert "".join(choice.delta.content or "" for choice in own) == "one two"
        assert [choice.finish_reason for choice in own if choice.finish_reason] == ["length"]


def test_each_token_has_its_chance_and_the_likeliest_others(client: OpenAI) -> None:
    fields: Any = {"messages": script(text="one two"), "logprobs": True, "top_logprobs": 2}
    whole = client.chat.completions.create(model=MODEL, **fields)
    streamed = [chunk.choices[0].logprobs for chunk in chunks(client, **fields)]

    assert whole.choices[0].logprobs is not None
    tokens = whole.choices[0].logprobs.content or []
    assert [token.token for token in tokens] == ["one", " two"]
    assert [bytes(token.bytes or ()) for token in tokens] == [b"one", b" two"]
    assert [len(token.top_logprobs) for token in tokens] == [2, 2]
    assert [token for part in streamed if part for token in part.content or ()] == tokens


def test_chances_without_alternatives_are_the_tokens_own(client: OpenAI) -> None:
    answer = client.chat.completions.create(model=MODEL, messages=script(text="one"), logprobs=True)

    assert answer.choices[0].logprobs is not None
    (token,) = answer.choices[0].logprobs.content or ()
    assert (token.token, token.top_logprobs) == ("one", [])


def test_all_of_a_requests_fields_are_taken(client: OpenAI) -> None:
    answer = client.chat.completions.create(
        model=MODEL,
        messages=[{"role": "developer", "content": "Be brief."}, *script(text="Yes.")],
        frequency_penalty=0.5,
        logit_bias={"50": -100},
        max_completion_tokens=50,
        metadata={"a": "b"},
        parallel_tool_calls=False,
        presence_penalty=0.5,
        prompt_cache_key="key",
        reasoning_effort="low",
        response_format={"type": "json_object"},
        safety_identifier="someone",
        seed=5,
        service_tier="auto",
        stop=["END"],
        store=True,
        temperature=1.5,
        tool_choice="auto",
        tools=[TOOL],
        top_p=0.5,
        user="someone",
        verbosity="low",
        extra_body={
            "top_k": 5,
            "min_p": 0.1,
            "repetition_penalty": 1.1,
            "ignore_eos": False,
            "enable_thinking": True,
            "thinking_budget": 100,
            "chat_template_kwargs": {"a": {"b": 1}},
            "truncate_prompt": False,
            "priority": 1,
        },
    )

    assert answer.choices[0].message.content == "Yes."
    assert (answer.system_fingerprint or "").startswith("mlx-gui-")


def test_a_picture_is_refused_without_being_fetched(client: OpenAI) -> None:
    parts: Any = [{"type": "image_url", "image_url": {"url": "http://127.0.0.1:9/no.png"}}]
    with pytest.raises(openai.BadRequestError) as refusal:
        client.chat.completions.create(model=MODEL, messages=[{"role": "user", "content": parts}])

    assert refusal.value.code == "capability_missing"
    assert refusal.value.param == "messages[0].content[0]"


def test_the_asynchronous_client_gets_many_answers_at_once(server: Server) -> None:
    async def ask_all() -> list[str]:
        async with AsyncOpenAI(
            base_url=f"{server.address}/v1", api_key="none", max_retries=0
        ) as client:

            async def ask(number: int) -> str:
                text = ""
                stream = await client.chat.completions.create(
                    model=MODEL, messages=script(text=f"number {number}"), stream=True
                )
                async for chunk in stream:
                    text += chunk.choices[0].delta.content or ""
                return text

            async def parse() -> Weather | None:
                answer = await client.chat.completions.parse(
                    model=MODEL,
                    messages=script(text='{"city": "Rome", "days": 1}'),
                    response_format=Weather,
                )
                return answer.choices[0].message.parsed

            *texts, parsed = await asyncio.gather(*(ask(n) for n in range(8)), parse())
            assert parsed == Weather(city="Rome", days=1)
            return [text for text in texts if isinstance(text, str)]

    assert asyncio.run(ask_all()) == [f"number {number}" for number in range(8)]
