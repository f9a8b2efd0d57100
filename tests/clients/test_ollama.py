"""The official ollama client against a real server, and curl's way of sending JSON."""

import asyncio
import json
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from typing import Any

import pytest
from ollama import AsyncClient, ChatResponse, Client, Message, ResponseError
from pydantic import BaseModel

from tests.process.visitor import script
from tests.support.server import Server

HELLO = [{"role": "user", "content": "Hello out there"}]
ANSWER = "You said: Hello out there"


class City(BaseModel):
    """What a structured answer is read as."""

    name: str
    people: int


def get_weather(city: str) -> str:
    """Says the weather.

    Args:
      city: Where.
    """
    return f"rain in {city}"


def asking(text: str) -> list[Mapping[str, Any]]:
    return [{"role": "user", "content": text}]


@pytest.fixture(scope="module")
def client(server: Server) -> Iterator[Client]:
    with Client(server.address, trust_env=False) as client:
        yield client


def test_it_gets_a_whole_answer(client: Client) -> None:
    answer = client.chat("fake/echo", HELLO, options={"temperature": 0})

    assert (answer.model, answer.done, answer.done_reason) == ("fake/echo", True, "stop")
    assert (answer.message.role, answer.message.content) == ("assistant", ANSWER)
    assert answer.prompt_eval_count == 4
    assert answer.eval_count == 5
    assert answer.total_duration is not None
    assert answer.load_duration is not None
    assert answer.total_duration > answer.load_duration > 0
    assert datetime.fromisoformat(answer.created_at or "").tzinfo is not None


def test_it_streams_word_by_word(client: Client) -> None:
    *pieces, last = client.chat("echo:latest", HELLO, stream=True)

    assert "".join(piece.message.content or "" for piece in pieces) == ANSWER
    assert not any(piece.done for piece in pieces)
    assert (last.model, last.done, last.done_reason) == ("echo:latest", True, "stop")
    assert (last.message.content, last.eval_count) == ("", 5)


def test_it_streams_without_being_asked_to(server: Server) -> None:
    with server.client() as client:
        answer = client.post("/api/chat", json={"model": "fake/echo", "messages": HELLO})

    assert answer.headers["content-type"] == "application/x-ndjson"
    *pieces, last = [json.loads(line) for line in answer.text.splitlines()]
    assert "".join(piece["message"]["content"] for piece in pieces) == ANSWER
    assert last["done"]


def test_it_works_from_a_coroutine(server: Server) -> None:
    async def converse() -> tuple[str, str, str]:
        async with AsyncClient(server.address, trust_env=False) as client:
            whole = await client.chat("fake/echo", HELLO)
            stream = await client.chat("fake/echo", HELLO, stream=True)
            pieces = [piece.message.content or "" async for piece in stream]
            generated = await client.generate("fake/echo", "Hi")
            return whole.message.content or "", "".join(pieces), generated.response or ""

    assert asyncio.run(converse()) == (ANSWER, ANSWER, "You said: Hi")


@pytest.mark.parametrize("stream", [False, True])
def test_a_limit_and_a_stop_end_the_answer(client: Client, stream: bool) -> None:
    def ask(**options: object) -> tuple[str, str | None]:
        answer = client.chat("fake/echo", HELLO, stream=stream, options=options)
        pieces: list[ChatResponse] = list(answer) if stream else [answer]
        return "".join(piece.message.content or "" for piece in pieces), pieces[-1].done_reason

    assert ask(num_predict=2) == ("You said:", "length")
    assert ask(num_predict=-1) == (ANSWER, "stop")
    assert ask(stop=[" out"]) == ("You said: Hello", "stop")


@pytest.mark.parametrize("stream", [False, True])
def test_thoughts_come_apart_from_the_answer(client: Client, stream: bool) -> None:
    text = script(reasoning="let me see", text="It is blue.")
    answer = client.chat("fake/echo", asking(text), think=True, stream=stream)
    pieces: list[ChatResponse] = list(answer) if stream else [answer]

    assert "".join(piece.message.thinking or "" for piece in pieces) == "let me see"
    assert "".join(piece.message.content or "" for piece in pieces) == "It is blue."


@pytest.mark.parametrize("stream", [False, True])
def test_calls_come_whole_and_their_results_go_back(client: Client, stream: bool) -> None:
    wanted = [{"city": "Paris", "days": 2}, {"city": "Rome", "days": 2}]
    calls = [{"name": "get_weather", "arguments": arguments} for arguments in wanted]
    messages = asking(script(text="One moment.", calls=calls))
    answer = client.chat("fake/echo", messages, tools=[get_weather], stream=stream)
    pieces: list[ChatResponse] = list(answer) if stream else [answer]
    found = [call for piece in pieces for call in piece.message.tool_calls or ()]

    assert [call.function.name for call in found] == ["get_weather"] * 2
    assert [call.function.arguments for call in found] == wanted
    assert "".join(piece.message.content or "" for piece in pieces) == "One moment."
    assert pieces[-1].done_reason == "stop"

    called = Message(role="assistant", tool_calls=found)
    results = [Message(role="tool", content="rain", tool_name="get_weather") for _ in found]
    again = client.chat("fake/echo", [*HELLO, called, *results], tools=[get_weather])
    assert again.message.content == ANSWER


def test_a_structured_answer_is_asked_for_by_the_schema_of_a_class(client: Client) -> None:
    text = script(text='{"name": "Ghent", "people": 270000}')

    answer = client.chat("fake/echo", asking(text), format=City.model_json_schema())

    assert City.model_validate_json(answer.message.content or "") == City(
        name="Ghent", people=270000
    )


def test_log_probabilities_come_with_the_tokens(client: Client) -> None:
    answer = client.chat("fake/echo", HELLO, logprobs=True, top_logprobs=2)

    assert answer.logprobs is not None
    assert "".join(token.token for token in answer.logprobs) == ANSWER
    assert all(len(token.top_logprobs or ()) == 2 for token in answer.logprobs)


def test_it_answers_a_prompt_and_continues_a_raw_one(client: Client) -> None:
    asked = client.generate("fake/echo", "Hi there", system="Be brief.")
    pieces = list(client.generate("fake/echo", "Hi there", raw=True, stream=True))
    thoughts = script(reasoning="hm", text="Yes.")

    assert (asked.response, asked.done_reason) == ("You said: Hi there", "stop")
    assert "".join(piece.response or "" for piece in pieces) == "You said: Hi there"
    assert pieces[-1].eval_count == 4
    assert len(asked.context or ()) == (asked.prompt_eval_count or 0) + (asked.eval_count or 0) - 2
    apart = client.generate("fake/echo", thoughts, think=True)
    assert (apart.thinking, apart.response) == ("hm", "Yes.")
    assert client.generate("fake/echo", thoughts, raw=True).response == "hmYes."


def test_an_empty_request_loads_and_with_no_keep_alive_unloads(client: Client) -> None:
    def loaded() -> list[str | None]:
        return [model.model for model in client.ps().models]

    assert client.generate("fake/slow", keep_alive="1h").done_reason == "load"
    assert "fake/slow" in loaded()
    assert client.chat("fake/slow", keep_alive=0).done_reason == "unload"
    assert "fake/slow" not in loaded()
    assert next(client.chat("fake/slow", [], stream=True)).done_reason == "load"
    assert client.generate("fake/slow", "", keep_alive="0s").done_reason == "unload"
    assert client.generate("fake/slow", keep_alive=0).done_reason == "unload"


def test_it_lists_what_is_installed_and_what_is_loaded(client: Client) -> None:
    client.chat("fake/echo", HELLO, keep_alive=-1)
    listed = {model.model: model for model in client.list().models}
    running = {model.model: model for model in client.ps().models}

    assert {"fake/echo", "fake/slow"} <= listed.keys()
    echo = listed["fake/echo"]
    assert echo.details is not None
    assert (echo.details.family, echo.details.parameter_size) == ("fake", "12.5M")
    assert echo.size == 50_000_000
    assert len(echo.digest or "") == 64
    assert running["fake/echo"].digest == echo.digest
    assert running["fake/echo"].context_length == 4096
    assert (running["fake/echo"].size or 0) > 0
    assert running["fake/echo"].expires_at == datetime(9999, 12, 31, 23, 59, 59, tzinfo=UTC)
    client.chat("fake/echo", HELLO, keep_alive=60)
    assert client.ps().models[0].expires_at is not None


def test_it_describes_a_model(client: Client) -> None:
    card = client.show("fake/echo:latest")

    assert card.modelinfo is not None
    assert card.modelinfo["general.architecture"] == "fake"
    assert card.modelinfo["fake.context_length"] == 4096
    assert "completion" in (card.capabilities or [])
    assert card.details is not None
    assert card.details.format == "safetensors"


def test_it_says_which_api_it_speaks(server: Server) -> None:
    with server.client() as client:
        version = client.get("/api/version").json()

    assert tuple(map(int, version["version"].split("."))) >= (0, 6, 4)
    assert version["mlx_gui"]


@pytest.mark.parametrize("stream", [False, True])
def test_errors_have_a_sentence_and_a_status(client: Client, stream: bool) -> None:
    def failure(**fields: Any) -> ResponseError:
        asked = {"model": "fake/echo", "messages": HELLO, "stream": stream, **fields}
        with pytest.raises(ResponseError) as refusal:
            list(client.chat(**asked))
        return refusal.value

    unknown = failure(model="no/such:7b")
    assert (unknown.status_code, unknown.error) == (
        404,
        "The model 'no/such:7b' is not installed.",
    )
    assert failure(options={"top_p": "most"}).status_code == 400
    assert failure(model="fake/broken").status_code == 500
    with pytest.raises(ResponseError) as refusal:
        client.push("llama3.2")
    assert refusal.value.status_code == 404


def test_a_worker_that_dies_ends_the_stream_with_an_error_line(client: Client) -> None:
    stream = client.chat("fake/crash", HELLO, stream=True)
    next(stream)

    with pytest.raises(ResponseError) as failure:
        list(stream)

    assert "fake/crash" in failure.value.error


def test_leaving_a_stream_early_leaves_the_client_usable(client: Client) -> None:
    stream = client.chat("fake/slow", HELLO, stream=True)
    next(stream)
    stream.close()  # pyright: ignore[reportAttributeAccessIssue]

    assert client.chat("fake/echo", HELLO).message.content == ANSWER
