"""Answers that have to call end where a call would be made again."""

import json
from pathlib import Path
from typing import Any

import pytest

from mlx_gui.core.generation import (
    CallStarted,
    Delta,
    GenerateRequest,
    Grammar,
    Sampling,
    Tool,
    ToolChoice,
    Usage,
)
from tests.engines.parts import tokenizer
from tests.engines.remote import RemoteEngine, ask
from tests.engines.test_answers import said
from tests.zoo.cache import checkpoint

WEATHER = Tool(
    "get_weather",
    "The weather in a city.",
    {
        "type": "object",
        "properties": {"city": {"type": "string", "maxLength": 6}},
        "required": ["city"],
    },
)
NOW = Tool("now", "", {"type": "object", "additionalProperties": False})
QUESTION = "What is the weather in Paris?"
REQUIRED = ToolChoice("required")


def end_tokens(folder: Path) -> list[int]:
    """In the child."""
    return sorted(tokenizer(folder).eos_token_ids)


@pytest.fixture
def folder(engine: RemoteEngine) -> Path:
    found = checkpoint("Qwen3-tiny-trained")
    engine.load(found, context=2048)
    return found


def endless(engine: RemoteEngine, folder: Path, **settings: Any) -> GenerateRequest:
    """Asks a model that ends only where it has to."""
    bias = dict.fromkeys(engine.child.call(end_tokens, folder), -100.0)
    settings = {"max_tokens": 600, **settings}
    return ask(QUESTION, sampling=Sampling(temperature=0, logit_bias=bias), **settings)


@pytest.mark.parametrize(("tool", "first"), [(WEATHER, '{"city": "Paris"}'), (NOW, "{}")])
def test_a_call_is_not_made_again(
    engine: RemoteEngine, folder: Path, tool: Tool, first: str
) -> None:
    reply = engine.answer(endless(engine, folder, tools=(tool,), tool_choice=REQUIRED))
    answer = said(reply)
    assert answer.finish == "tool_calls"
    assert answer.content == ""
    calls = [(name, json.dumps(json.loads(text))) for name, text in answer.calls]
    assert calls[0] == (tool.name, first)
    assert len(set(calls)) == len(calls)
    usage = reply.events[-1]
    assert isinstance(usage, Usage)
    assert usage.completion_tokens < 200
    assert not engine.busy()


def test_beside_a_form_of_the_answer_neither(engine: RemoteEngine, folder: Path) -> None:
    form = Grammar("json_schema", '{"type": "object"}')
    answer = said(engine.answer(endless(engine, folder, tools=(WEATHER,), grammar=form)))
    assert answer.finish == "tool_calls"
    assert len({text for _, text in answer.calls}) == len(answer.calls) > 0


@pytest.mark.parametrize(
    "choice",
    [
        ToolChoice("named", "get_weather"),
        ToolChoice("named", "get_weather", parallel=False),
        ToolChoice("required", parallel=False),
    ],
)
def test_a_named_choice_is_one_call_and_so_is_one_without_parallel_calls(
    engine: RemoteEngine, folder: Path, choice: ToolChoice
) -> None:
    answer = said(engine.answer(endless(engine, folder, tools=(WEATHER,), tool_choice=choice)))
    assert (answer.finish, answer.calls) == (
        "tool_calls",
        [["get_weather", '{"city": "Paris"}']],
    )


def test_a_call_that_its_length_cuts_off_says_so(engine: RemoteEngine, folder: Path) -> None:
    asked = endless(engine, folder, tools=(WEATHER,), tool_choice=REQUIRED, max_tokens=25)
    answer = said(engine.answer(asked))
    assert answer.finish == "length"
    ((name, arguments),) = answer.calls
    assert name == "get_weather"
    assert '{"city": "Paris"}'.startswith(arguments)


def test_calls_that_differ_stream_as_they_are_written(engine: RemoteEngine, folder: Path) -> None:
    reply = engine.answer(endless(engine, folder, tools=(WEATHER,), tool_choice=REQUIRED))
    told = [event for event in reply.events if isinstance(event, CallStarted | Delta)]
    first = [event for event in told if isinstance(event, Delta) and event.channel == "tool_call"]
    assert len([event for event in first if event.call == 0]) > 2
