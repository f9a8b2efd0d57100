"""An agent framework's loop of model, tool, model: with scripted calls, and with a real model."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import pytest
from openai import AsyncOpenAI
from pydantic_ai import Agent, UsageLimitExceeded, UsageLimits, capture_run_messages
from pydantic_ai.messages import ModelMessage, ToolCallPart, ToolReturnPart
from pydantic_ai.models.openai import OpenAIChatModel
from pydantic_ai.providers.openai import OpenAIProvider

from tests.process.visitor import script
from tests.support.server import Server

CALLING = "tiny/Qwen3-tiny-trained"
QUESTION = "What is the weather in Paris?"
ANSWER = "It is sunny in Paris, 21 degrees."


class Weather:
    """A tool; `cities` are those that it was called for, in order: it is called in no threads."""

    def __init__(self) -> None:
        self.cities: list[str] = []

    async def get_weather(self, city: str) -> str:
        """Look up the weather in a city"""
        self.cities.append(city)
        return "sunny, 21 degrees"


@asynccontextmanager
async def agent_of(
    server: Server, model: str, *tools: Callable[..., Awaitable[str]]
) -> AsyncIterator[Agent]:
    """A greedy agent that asks `model` and does not let it think."""
    async with AsyncOpenAI(
        base_url=f"{server.address}/v1", api_key="none", max_retries=0
    ) as client:
        yield Agent(
            OpenAIChatModel(model, provider=OpenAIProvider(openai_client=client)),
            tools=tools,
            model_settings={
                "temperature": 0,
                "max_tokens": 200,
                "extra_body": {"enable_thinking": False},
            },
            retries=0,
        )


def steps(messages: list[ModelMessage]) -> list[tuple[str, object]]:
    """What the model called, and what it was told, in their order."""
    found: list[tuple[str, object]] = []
    for message in messages:
        for part in message.parts:
            match part:
                case ToolCallPart():
                    found.append((part.tool_name, part.args_as_dict()))
                case ToolReturnPart():
                    found.append((part.tool_name, part.content))
                case _:
                    pass
    return found


def test_scripted_calls_are_made_with_their_arguments_and_their_results_are_taken_back(
    server: Server,
) -> None:
    """The script calls whenever it is asked, so that the loop only ends by its limit."""
    weather = Weather()
    cities = ("Paris", "Tokyo")
    calls = [{"name": "get_weather", "arguments": {"city": city}} for city in cities]

    async def ask() -> list[ModelMessage]:
        async with agent_of(server, "fake/echo", weather.get_weather) as agent:
            with capture_run_messages() as messages, pytest.raises(UsageLimitExceeded):
                await agent.run(script(calls=calls), usage_limits=UsageLimits(request_limit=2))
            return messages

    messages = asyncio.run(ask())
    assert weather.cities == [*cities, *cities]
    called = [("get_weather", {"city": city}) for city in cities]
    assert steps(messages)[:4] == [*called, *[("get_weather", "sunny, 21 degrees")] * 2]


def test_a_real_model_calls_the_tool_and_answers_with_its_result(real: Server) -> None:
    weather = Weather()

    async def ask() -> tuple[str, list[ModelMessage]]:
        async with agent_of(real, CALLING, weather.get_weather) as agent:
            result = await agent.run(QUESTION)
            return result.output, result.all_messages()

    answer, messages = asyncio.run(ask())
    assert weather.cities == ["Paris"]
    assert answer == ANSWER
    assert steps(messages) == [
        ("get_weather", {"city": "Paris"}),
        ("get_weather", "sunny, 21 degrees"),
    ]


def test_a_real_model_is_streamed_through_the_same_loop(real: Server) -> None:
    weather = Weather()

    async def ask() -> list[str]:
        async with (
            agent_of(real, CALLING, weather.get_weather) as agent,
            agent.run_stream(QUESTION) as result,
        ):
            return [text async for text in result.stream_text(delta=True, debounce_by=None)]

    texts = asyncio.run(ask())
    assert weather.cities == ["Paris"]
    assert "".join(texts) == ANSWER


def test_text_reaches_the_framework_while_it_is_written(server: Server) -> None:
    """What a client leaves unread is merged, so only a slow answer shows its pieces."""

    async def ask() -> list[str]:
        slow = script(text="one two three four five six", delay_ms=100)
        async with agent_of(server, "fake/echo") as agent, agent.run_stream(slow) as result:
            return [text async for text in result.stream_text(delta=True, debounce_by=None)]

    texts = asyncio.run(ask())
    assert "".join(texts) == "one two three four five six"
    assert len(texts) > 1


def test_a_real_model_without_tools_says_that_it_cannot(real: Server) -> None:
    async def ask() -> str:
        async with agent_of(real, CALLING) as agent:
            return (await agent.run(QUESTION)).output

    assert asyncio.run(ask()) == "I cannot look up the weather."
