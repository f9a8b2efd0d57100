"""The official openai client's raw completions, and the tokens of texts, on a real server."""

import asyncio
import json
from collections.abc import Iterator
from typing import Any

import httpx
import openai
import pytest
from openai import AsyncOpenAI, OpenAI

from tests.support.server import Server
from tests.support.waiting import wait_until

MODEL = "fake/echo"


@pytest.fixture(scope="module")
def client(server: Server) -> Iterator[OpenAI]:
    with OpenAI(base_url=f"{server.address}/v1", api_key="none", max_retries=0) as client:
        yield client


def script(**fields: object) -> str:
    return json.dumps({"fake": fields})


def streamed_texts(client: OpenAI, **fields: Any) -> dict[int, str]:
    texts: dict[int, str] = {}
    with client.completions.create(model=MODEL, stream=True, **fields) as stream:
        for chunk in stream:
            for choice in chunk.choices:
                texts[choice.index] = texts.get(choice.index, "") + choice.text
    return texts


def test_a_text_is_continued(client: OpenAI) -> None:
    answer = client.completions.create(model=MODEL, prompt="Once upon a time", max_tokens=3)

    assert answer.object == "text_completion"
    assert answer.choices[0].text == "You said: Once"
    assert answer.choices[0].finish_reason == "length"
    assert answer.usage is not None
    assert answer.usage.completion_tokens == 3


def test_sixteen_tokens_are_the_most_unless_others_are_asked_for(client: OpenAI) -> None:
    answer = client.completions.create(model=MODEL, prompt=script(text="word", repeat=50))

    assert answer.choices[0].text.split() == ["word"] * 16
    assert answer.choices[0].finish_reason == "length"


def test_several_prompts_of_each_form_are_answered_in_order(client: OpenAI) -> None:
    fields: Any = {"prompt": ["one", "two"], "n": 2, "max_tokens": 20}
    whole = client.completions.create(model=MODEL, **fields)

    said = ["You said: one", "You said: one", "You said: two", "You said: two"]
    assert [choice.text for choice in whole.choices] == said
    assert [choice.index for choice in whole.choices] == [0, 1, 2, 3]
    assert streamed_texts(client, **fields) == dict(enumerate(said))
    assert whole.usage is not None
    assert (whole.usage.prompt_tokens, whole.usage.completion_tokens) == (4, 12)

    ids = client.completions.create(model=MODEL, prompt=[[5, 7], [9]])
    assert [choice.text for choice in ids.choices] == [
        "You said: word-5 word-7",
        "You said: word-9",
    ]


def test_as_many_prompts_as_allowed_are_all_answered(client: OpenAI) -> None:
    prompts = [f"number-{number}" for number in range(128)]
    answer = client.completions.create(model=MODEL, prompt=prompts)

    assert [choice.text for choice in answer.choices] == [f"You said: {each}" for each in prompts]


def test_the_prompt_comes_first_when_it_is_to_be_echoed(client: OpenAI) -> None:
    fields: Any = {"prompt": "one two", "echo": True}
    answer = client.completions.create(model=MODEL, **fields)

    assert answer.choices[0].text == "one twoYou said: one two"
    assert streamed_texts(client, **fields) == {0: answer.choices[0].text}


@pytest.mark.parametrize("max_tokens", [0, 2])
def test_the_tokens_of_an_echoed_prompt_have_their_chances_too(
    client: OpenAI, max_tokens: int
) -> None:
    fields: Any = {
        "prompt": ["one two", "three four five"],
        "echo": True,
        "logprobs": 1,
        "max_tokens": max_tokens,
    }
    answer = client.completions.create(model=MODEL, **fields)
    parts: list[list[Any]] = [[], []]
    with client.completions.create(model=MODEL, stream=True, **fields) as stream:
        for chunk in stream:
            for choice in chunk.choices:
                if choice.logprobs is not None:
                    parts[choice.index] += choice.logprobs.token_logprobs or []

    for choice, prompt, streamed in zip(answer.choices, fields["prompt"], parts, strict=True):
        logprobs = choice.logprobs
        assert logprobs is not None
        assert logprobs.tokens is not None
        assert logprobs.top_logprobs is not None
        assert choice.text == prompt + ("You said:" if max_tokens else "")
        assert "".join(logprobs.tokens) == choice.text
        assert logprobs.token_logprobs == [None, *[-0.25] * (len(logprobs.tokens) - 1)] == streamed
        assert logprobs.top_logprobs[0] is None
        assert logprobs.text_offset == [
            len("".join(logprobs.tokens[:place])) for place in range(len(logprobs.tokens))
        ]
    assert answer.usage is not None
    assert answer.usage.completion_tokens == 2 * max_tokens


def test_each_token_has_its_chance_and_its_place(client: OpenAI) -> None:
    fields: Any = {"prompt": script(text="one two"), "logprobs": 2}
    answer = client.completions.create(model=MODEL, **fields)
    with client.completions.create(model=MODEL, stream=True, **fields) as stream:
        parts = [chunk.choices[0].logprobs for chunk in stream]

    logprobs = answer.choices[0].logprobs
    assert logprobs is not None
    assert logprobs.tokens == ["one", " two"]
    assert logprobs.text_offset == [0, 3]
    assert [len(likeliest) for likeliest in logprobs.top_logprobs or ()] == [2, 2]
    assert [token for part in parts if part for token in part.tokens or ()] == logprobs.tokens
    assert [place for part in parts if part for place in part.text_offset or ()] == [0, 3]


def test_a_thought_stays_in_a_raw_answer(client: OpenAI) -> None:
    answer = client.completions.create(
        model=MODEL, prompt=script(text="Yes.", reasoning="Let me see.")
    )

    assert answer.choices[0].text == "Let me see.Yes."


@pytest.mark.parametrize("stream", [False, True])
def test_one_prompt_that_is_too_long_refuses_them_all(client: OpenAI, stream: bool) -> None:
    endless = script(text="word", repeat=3000, delay_ms=5)
    fields: Any = {"prompt": [endless, "word " * 9000], "max_tokens": 3000, "stream": stream}
    with pytest.raises(openai.APIError) as refusal:
        list(client.completions.create(model=MODEL, **fields))

    assert refusal.value.code == "context_length_exceeded"
    wait_until(lambda: active(client) == 0, what="the other prompt to end")


def test_a_stop_and_the_usage_of_a_stream_are_as_in_a_chat(client: OpenAI) -> None:
    with client.completions.create(
        model=MODEL,
        prompt=["one", "two"],
        stop=" two",
        stream=True,
        stream_options={"include_usage": True},
    ) as stream:
        *before, last = stream

    texts = ["", ""]
    for chunk in before:
        texts[chunk.choices[0].index] += chunk.choices[0].text
    assert texts == ["You said: one", "You said:"]
    assert last.choices == []
    assert last.usage is not None
    assert last.usage.prompt_tokens == 4


def active(client: OpenAI) -> int:
    """Requests that the server answers or queues."""
    status = client.get("manager/status", cast_to=httpx.Response).json()
    return status["active_requests"] + len(status["queue"])


def test_a_client_that_leaves_ends_all_of_its_prompts(client: OpenAI) -> None:
    prompts = [script(text="word", repeat=3000, delay_ms=5)] * 40
    with client.completions.create(
        model=MODEL, prompt=prompts, max_tokens=3000, stream=True
    ) as stream:
        next(iter(stream))
        assert active(client) > 1

    wait_until(lambda: active(client) == 0, what="the prompts to end")


def test_the_asynchronous_client_completes(server: Server) -> None:
    async def ask() -> str:
        async with AsyncOpenAI(
            base_url=f"{server.address}/v1", api_key="none", max_retries=0
        ) as client:
            return (await client.completions.create(model=MODEL, prompt="Hi")).choices[0].text

    assert asyncio.run(ask()) == "You said: Hi"


def test_a_text_is_taken_apart_into_tokens_and_put_together(server: Server) -> None:
    with server.client() as client:
        tokenized = client.post(
            "/v1/tokenize", json={"model": MODEL, "prompt": "one two", "return_token_strs": True}
        ).json()
        chat = client.post(
            "/v1/tokenize",
            json={"model": MODEL, "messages": [{"role": "user", "content": "one two"}]},
        ).json()
        text = client.post("/v1/detokenize", json={"model": MODEL, "tokens": [1, 2]}).json()

    assert tokenized["count"] == len(tokenized["tokens"]) == 2
    assert tokenized["token_strs"] == ["one", " two"]
    assert tokenized["max_model_len"] > 2
    assert chat["tokens"] == tokenized["tokens"]
    assert text == {"prompt": "word-1 word-2"}
