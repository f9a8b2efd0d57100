"""The official openai client against a real server."""

from collections.abc import Iterator

import openai
import pytest
from openai import OpenAI
from openai.types.chat import ChatCompletionMessageParam

from tests.support.server import Server

HELLO: list[ChatCompletionMessageParam] = [{"role": "user", "content": "Hello out there"}]
ANSWER = "You said: Hello out there"


@pytest.fixture(scope="module")
def client(server: Server) -> Iterator[OpenAI]:
    with OpenAI(base_url=f"{server.address}/v1", api_key="none", max_retries=0) as client:
        yield client


def test_it_lists_the_models_and_describes_one(client: OpenAI) -> None:
    ids = [model.id for model in client.models.list()]

    assert "fake/echo" in ids
    assert client.models.retrieve("fake/echo").id == "fake/echo"
    assert client.models.retrieve("echo").object == "model"


def test_it_gets_a_whole_answer(client: OpenAI) -> None:
    answer = client.chat.completions.create(model="fake/echo", messages=HELLO, temperature=0)

    assert answer.model == "fake/echo"
    assert answer.choices[0].message.role == "assistant"
    assert answer.choices[0].message.content == ANSWER
    assert answer.choices[0].finish_reason == "stop"
    assert answer.usage is not None
    assert answer.usage.completion_tokens == 5
    assert answer.usage.total_tokens == answer.usage.prompt_tokens + 5


def test_it_streams_word_by_word(client: OpenAI) -> None:
    with client.chat.completions.create(model="fake/echo", messages=HELLO, stream=True) as stream:
        chunks = list(stream)

    assert chunks[0].choices[0].delta.role == "assistant"
    assert "".join(chunk.choices[0].delta.content or "" for chunk in chunks) == ANSWER
    assert [chunk.choices[0].finish_reason for chunk in chunks[-2:]] == [None, "stop"]
    assert len({chunk.id for chunk in chunks}) == 1
    assert all(chunk.usage is None for chunk in chunks)


def test_it_gets_the_usage_of_a_stream_when_it_asks(client: OpenAI) -> None:
    with client.chat.completions.create(
        model="fake/echo",
        messages=HELLO,
        stream=True,
        stream_options={"include_usage": True},
    ) as stream:
        *before, last = stream

    assert last.choices == []
    assert last.usage is not None
    assert last.usage.completion_tokens == 5
    assert last.usage.prompt_tokens_details is not None
    assert last.usage.prompt_tokens_details.cached_tokens == 0
    assert all(chunk.usage is None for chunk in before)


@pytest.mark.parametrize("stream", [False, True])
def test_a_limit_and_a_stop_end_the_answer(client: OpenAI, stream: bool) -> None:
    def ask(**fields: object) -> tuple[str, str | None]:
        answer = client.chat.completions.create(
            model="fake/echo",
            messages=HELLO,
            stream=stream,
            **fields,  # pyright: ignore[reportArgumentType, reportCallIssue]
        )
        if not stream:
            return answer.choices[0].message.content, answer.choices[0].finish_reason
        choices = [chunk.choices[0] for chunk in answer]
        return "".join(choice.delta.content or "" for choice in choices), choices[-1].finish_reason

    assert ask(max_completion_tokens=2) == ("You said:", "length")
    assert ask(max_tokens=2) == ("You said:", "length")
    assert ask(stop=[" out"]) == ("You said: Hello", "stop")
    assert ask(stop="there") == ("You said: Hello out ", "stop")


def test_an_unknown_model_is_not_found(client: OpenAI) -> None:
    with pytest.raises(openai.NotFoundError) as refusal:
        client.chat.completions.create(model="no/such-model", messages=HELLO)

    assert refusal.value.code == "model_not_found"
    assert "no/such-model" in refusal.value.message


def test_a_bad_parameter_is_a_bad_request(client: OpenAI) -> None:
    with pytest.raises(openai.BadRequestError) as refusal:
        client.chat.completions.create(model="fake/echo", messages=HELLO, temperature=3)

    assert refusal.value.param == "temperature"
    assert refusal.value.type == "invalid_request_error"
    assert refusal.value.request_id == refusal.value.response.headers["x-request-id"]


def test_a_worker_that_dies_ends_the_stream_with_an_api_error(client: OpenAI) -> None:
    with client.chat.completions.create(model="fake/crash", messages=HELLO, stream=True) as stream:
        chunks = iter(stream)
        next(chunks)
        with pytest.raises(openai.APIError) as failure:
            list(chunks)

    assert failure.value.code == "worker_failed"


def test_leaving_a_stream_early_leaves_the_client_usable(client: OpenAI) -> None:
    with client.chat.completions.create(model="fake/slow", messages=HELLO, stream=True) as stream:
        next(iter(stream))

    answer = client.chat.completions.create(model="fake/echo", messages=HELLO)
    assert answer.choices[0].message.content == ANSWER
