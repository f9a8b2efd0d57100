"""Golden files of raw completions, and several prompts that are answered as one."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing
from pathlib import Path

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlx_gui.api.answers import Gathering
from mlx_gui.api.openai.completions.together import together
from mlx_gui.api.openai.completions.translate import ChunkEncoder, completion, to_core
from mlx_gui.api.openai.completions.wire import Completion, CompletionRequest
from mlx_gui.api.openai.translate import AnswerHead
from mlx_gui.api.validation import parse_json
from mlx_gui.core.errors import ContextTooLong, QueueFull, WorkerFailed
from mlx_gui.core.generation import (
    Delta,
    Done,
    Event,
    Failed,
    GenerateRequest,
    Prepared,
    TokenChance,
    TokenLogprob,
    Usage,
)

GOLDEN = Path(__file__).parent / "golden" / "completions"
REQUESTS = sorted(
    path.name.removesuffix(".core.json") for path in GOLDEN.glob("requests/*.core.json")
)
ANSWERS = sorted(
    path.name.removesuffix(".events.json") for path in GOLDEN.glob("answers/*.events.json")
)
HEAD = AnswerHead("cmpl-1", 1_700_000_000, "org/one", "mlx-gui-1")
TOO_LONG = ContextTooLong("The prompt has 9 tokens, the context 8.")

Events = AsyncGenerator[Event]


def golden_events(name: str) -> list[Event]:
    content = (GOLDEN / "answers" / f"{name}.events.json").read_bytes()
    return msgspec.json.decode(content, type=list[Event])


@pytest.mark.parametrize("name", REQUESTS)
def test_a_request_becomes_a_canonical_one_for_each_prompt(name: str) -> None:
    body = parse_json((GOLDEN / "requests" / f"{name}.json").read_bytes())
    expected = (GOLDEN / "requests" / f"{name}.core.json").read_bytes()

    core = to_core(CompletionRequest.model_validate(body))

    assert core == msgspec.json.decode(expected, type=tuple[GenerateRequest, ...])


@pytest.mark.parametrize("include_usage", [False, True], ids=["plain", "usage"])
@pytest.mark.parametrize("name", ANSWERS)
def test_events_become_exactly_these_chunks(name: str, include_usage: bool) -> None:
    encoder = ChunkEncoder(HEAD, logprobs=name == "logprobs", include_usage=include_usage)
    suffix = "usage.sse" if include_usage else "sse"

    stream = b"".join(encoder.encode(event) for event in golden_events(name))

    assert stream == (GOLDEN / "answers" / f"{name}.{suffix}").read_bytes()


@pytest.mark.parametrize("name", ANSWERS)
def test_events_become_exactly_this_answer(name: str) -> None:
    answer = Gathering()
    for event in golden_events(name):
        answer.feed(event)

    body = completion(HEAD, answer, logprobs=name == "logprobs").model_dump_json(indent=2)

    assert body + "\n" == (GOLDEN / "answers" / f"{name}.json").read_text()


@pytest.mark.parametrize("path", sorted(GOLDEN.glob("answers/*.sse")), ids=lambda path: path.name)
def test_every_chunk_is_as_documented(path: Path) -> None:
    *chunks, end = path.read_bytes().decode().removesuffix("\n\n").split("\n\n")

    assert end == "data: [DONE]"
    for chunk in chunks:
        Completion.model_validate_json(chunk.removeprefix("data: "))


@given(data=st.data(), text=st.text(st.characters(exclude_categories=["Cs"]), max_size=20))
def test_a_token_is_placed_where_its_text_begins(data: st.DataObject, text: str) -> None:
    """Tokens that are cut inside a character begin where that character does."""
    encoded = text.encode()
    places = sorted(data.draw(st.sets(st.integers(1, max(len(encoded) - 1, 1)), max_size=8)))
    pieces = [encoded[a:b] for a, b in zip([0, *places], [*places, len(encoded)], strict=True)]
    chances = [TokenChance("?", piece, -1.0, 0) for piece in pieces]
    events = [Delta(0, "", logprobs=(TokenLogprob(chance),)) for chance in chances]

    answer = Gathering()
    for event in (Prepared(1), *events, Done(0, "stop"), Usage(1, len(events))):
        answer.feed(event)
    logprobs = completion(HEAD, answer, logprobs=True).choices[0].logprobs

    assert logprobs is not None
    assert logprobs.text_offset == [
        len(encoded[:place].decode(errors="ignore")) for place in [0, *places]
    ]


class Prompts:
    """Scripted streams that note when they run and when they are closed."""

    def __init__(self) -> None:
        self.running: set[str] = set()
        self.most_at_once = 0
        self.closed: list[str] = []

    async def stream(self, name: str, *events: Event, endless: bool = False) -> Events:
        self.running.add(name)
        self.most_at_once = max(self.most_at_once, len(self.running))
        try:
            for event in events:
                await asyncio.sleep(0)
                yield event
            if endless:
                await asyncio.Event().wait()
        finally:
            self.running.discard(name)
            self.closed.append(name)


def answer_of(text: str, *, prompt_tokens: int = 1) -> tuple[Event, ...]:
    return (
        Prepared(prompt_tokens),
        Delta(0, text),
        Delta(1, text.upper()),
        Done(1, "stop"),
        Done(0, "length"),
        Usage(prompt_tokens, 2, cached_tokens=1),
    )


def test_several_prompts_are_numbered_prompt_after_prompt_and_counted_together() -> None:
    async def run() -> tuple[Gathering, int]:
        prompts, answer = Prompts(), Gathering()
        streams = [prompts.stream(text, *answer_of(text, prompt_tokens=3)) for text in "abcde"]
        async with aclosing(together(streams, n=2, at_once=2)) as events:
            async for event in events:
                answer.feed(event)
        return answer, prompts.most_at_once

    answer, most_at_once = asyncio.run(run())
    choices, usage = answer.complete()

    assert [choice.text for choice in choices] == list("aAbBcCdDeE")
    assert [choice.finish_reason for choice in choices] == ["length", "stop"] * 5
    assert (usage.prompt_tokens, usage.completion_tokens, usage.cached_tokens) == (15, 10, 5)
    assert most_at_once == 2


def test_one_prompt_that_fails_ends_the_others() -> None:
    async def run() -> tuple[list[Event], list[str]]:
        prompts = Prompts()
        streams = [
            prompts.stream("endless", Delta(0, "a"), endless=True),
            prompts.stream("bad", Prepared(1), Failed(TOO_LONG.info())),
            prompts.stream("late", *answer_of("c")),
        ]
        events = [event async for event in together(streams, n=1, at_once=2)]
        return events, prompts.closed

    events, closed = asyncio.run(run())

    assert events[-1] == Failed(TOO_LONG.info())
    assert sorted(closed) == ["bad", "endless"]


@pytest.mark.parametrize("error", [QueueFull("Full."), None], ids=["refused", "broken off"])
def test_what_a_prompt_raises_ends_the_others(error: QueueFull | None) -> None:
    async def refused() -> Events:
        if error is not None:
            raise error
        return
        yield

    async def run() -> list[str]:
        prompts = Prompts()
        streams = [prompts.stream("endless", Delta(0, "a"), endless=True), refused()]
        with pytest.raises(QueueFull if error else WorkerFailed):
            async for _ in together(streams, n=1, at_once=8):
                pass
        return prompts.closed

    assert asyncio.run(run()) == ["endless"]


def test_a_client_that_leaves_ends_all_prompts() -> None:
    async def run() -> list[str]:
        prompts = Prompts()
        streams = [prompts.stream(name, Delta(0, "a"), endless=True) for name in "abc"]
        async with aclosing(together(streams, n=1, at_once=2)) as events:
            assert isinstance(await anext(events), Delta)
        return prompts.closed

    assert sorted(asyncio.run(run())) == ["a", "b"]
