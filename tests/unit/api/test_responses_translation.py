"""Golden files: the JSON of `/v1/responses` to core, and core's events to the exact answer."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from openai.types.responses import Response, ResponseStreamEvent
from pydantic import TypeAdapter

from mlx_gui.api.notices import Notices
from mlx_gui.api.openai.responses.answer import EventFrames, ResponseAnswer, last_event
from mlx_gui.api.openai.responses.items import as_listed, to_messages
from mlx_gui.api.openai.responses.offered import Offered, offer
from mlx_gui.api.openai.responses.translate import response_object, to_core
from mlx_gui.api.openai.responses.wire.events import STREAM_EVENTS
from mlx_gui.api.openai.responses.wire.request import ITEMS, Item, ResponseRequest
from mlx_gui.api.openai.responses.wire.response import ResponseObject
from mlx_gui.api.pictures import Shown
from mlx_gui.api.validation import parse_json
from mlx_gui.core.errors import (
    Cancelled,
    ContextTooLong,
    MlxGuiError,
    QueueFull,
    QueueTimeout,
    WorkerFailed,
)
from mlx_gui.core.generation import (
    CallStarted,
    Delta,
    Done,
    Event,
    Failed,
    GenerateRequest,
    Message,
    Prepared,
    Usage,
)

GOLDEN = Path(__file__).parent / "golden" / "responses"
REQUESTS = sorted(path.name.removesuffix(".core.json") for path in GOLDEN.glob("*/*.core.json"))
ANSWERS = sorted(path.name.removesuffix(".events.json") for path in GOLDEN.glob("*/*.events.json"))
BEGAN_AT_S = 1_700_000_000


def request(name: str) -> ResponseRequest:
    body = parse_json((GOLDEN / "requests" / f"{name}.json").read_bytes())
    return ResponseRequest.model_validate(body)


def core_of(**fields: object) -> GenerateRequest:
    body = ResponseRequest.model_validate({"model": "org/one", "input": "Hi", **fields})
    return translated(body)


def translated(body: ResponseRequest) -> GenerateRequest:
    notices = Notices()
    offered = offer(body.tools or (), notices)
    return to_core(body, [], body.input, offered=offered, shown=Shown(notices))


def messages_of(items: Sequence[Item]) -> list[Message]:
    return to_messages([], items, offered=Offered((), {}), shown=Shown(Notices()))


def answer_of(name: str = "everything") -> ResponseAnswer:
    begun = response_object(
        request(name), id="resp_1", created_at=BEGAN_AT_S, model="org/one", store=True, left_out=[]
    )
    return ResponseAnswer(begun, key="1", origins={})


def golden_events(name: str) -> list[Event]:
    content = (GOLDEN / "answers" / f"{name}.events.json").read_bytes()
    return msgspec.json.decode(content, type=list[Event])


def whole(events: list[Event], answer: ResponseAnswer) -> dict[str, Any]:
    for event in events:
        answer.feed(event)
    return answer.complete(now_s=BEGAN_AT_S + 5.9)


def parts_of(stream: bytes) -> list[tuple[str, dict[str, Any]]]:
    """Name and data of each event."""
    heads = [part.split("\n", 1) for part in stream.decode().removesuffix("\n\n").split("\n\n")]
    return [
        (name.removeprefix("event: "), json.loads(data.removeprefix("data: ")))
        for name, data in heads
    ]


@pytest.mark.parametrize("name", REQUESTS)
def test_a_request_becomes_the_canonical_one(name: str) -> None:
    expected = (GOLDEN / "requests" / f"{name}.core.json").read_bytes()
    body = request(name)

    core = translated(body)

    assert core == msgspec.json.decode(expected, type=GenerateRequest)


@pytest.mark.parametrize("name", ANSWERS)
def test_events_become_exactly_this_stream(name: str) -> None:
    answer, frames = answer_of(), EventFrames()

    stream = b"".join(frames.encode(answer.feed(event)) for event in golden_events(name))
    stream += frames.encode([last_event(answer.complete(now_s=BEGAN_AT_S + 5.9))])

    assert stream == (GOLDEN / "answers" / f"{name}.sse").read_bytes()


@pytest.mark.parametrize("name", ANSWERS)
def test_events_become_exactly_this_response(name: str) -> None:
    response = whole(golden_events(name), answer_of())

    body = json.dumps(response, indent=2, ensure_ascii=False) + "\n"

    assert body == (GOLDEN / "answers" / f"{name}.json").read_text()


@pytest.mark.parametrize("name", ANSWERS)
def test_a_stream_is_what_we_and_the_official_client_say_it_is(name: str) -> None:
    documented = {
        kind: model
        for model in STREAM_EVENTS
        for kind in model.model_fields["type"].annotation.__args__  # type: ignore[union-attr]
    }
    theirs: TypeAdapter[Any] = TypeAdapter(ResponseStreamEvent)

    events = parts_of((GOLDEN / "answers" / f"{name}.sse").read_bytes())

    assert [data["sequence_number"] for _, data in events] == list(range(len(events)))
    for kind, data in events:
        assert kind == data["type"]
        documented[kind].model_validate(data)
        theirs.validate_python(data)


@pytest.mark.parametrize("name", ANSWERS)
def test_a_response_is_what_we_and_the_official_client_say_it_is(name: str) -> None:
    content = (GOLDEN / "answers" / f"{name}.json").read_bytes()

    ResponseObject.model_validate_json(content)
    assert Response.model_validate_json(content).id == "resp_1"
    assert set(json.loads(content)) == set(ResponseObject.model_fields)


@pytest.mark.parametrize("name", ANSWERS)
def test_what_was_answered_can_be_sent_back_as_input(name: str) -> None:
    output = json.loads((GOLDEN / "answers" / f"{name}.json").read_bytes())["output"]

    items = ITEMS.validate_python(output)

    assert {message.role for message in messages_of(items)} == {"assistant"}
    assert [item["id"] for item in as_listed(items, key="2")] == [item["id"] for item in output]


def test_input_is_listed_with_ids_of_its_own() -> None:
    items = request("conversation").input
    twice = [*items, items[2]]

    listed = as_listed(twice, key="0f")

    ids = [item["id"] for item in listed]
    assert len(set(ids)) == len(ids)
    assert ids[:4] == ["item_0f_i0", "item_0f_i1", "rs_1", "msg_1"]
    assert listed[7]["output"] == "2"
    assert messages_of(ITEMS.validate_python(listed)) == messages_of(twice)


@st.composite
def splits(draw: st.DrawFn) -> list[str]:
    text = draw(st.text(min_size=1, max_size=40))
    cuts = sorted(draw(st.sets(st.integers(1, max(len(text) - 1, 1)), max_size=6)))
    return [text[a:b] for a, b in zip([0, *cuts], [*cuts, len(text)], strict=True)]


@given(thought=splits(), said=splits(), arguments=splits())
def test_any_split_of_the_text_gives_the_same_response(
    thought: list[str], said: list[str], arguments: list[str]
) -> None:
    def events(*texts: list[str]) -> list[Event]:
        thoughts, words, pieces = texts
        return [
            Prepared(3),
            *(Delta(0, text, "reasoning") for text in thoughts),
            *(Delta(0, text) for text in words),
            CallStarted(0, 0, "call_a", "add"),
            *(Delta(0, text, "tool_call") for text in pieces),
            Done(0, "tool_calls"),
            Usage(3, 9),
        ]

    split = whole(events(thought, said, arguments), answer_of())
    joined = whole(events(["".join(thought)], ["".join(said)], ["".join(arguments)]), answer_of())

    assert split == joined


@pytest.mark.parametrize(
    ("event", "error"),
    [
        (Failed(QueueTimeout("It waited 5 s.").info()), QueueTimeout),
        (Done(0, "cancelled"), Cancelled),
        (Done(0, "error"), WorkerFailed),
    ],
)
def test_an_event_that_ends_badly_is_raised(event: Event, error: type[Exception]) -> None:
    with pytest.raises(error):
        answer_of().feed(event)


@pytest.mark.parametrize("missing", [Done, Usage])
def test_a_response_without_its_end_is_not_given_out(missing: type[Event]) -> None:
    events = [event for event in golden_events("plain") if not isinstance(event, missing)]

    with pytest.raises(WorkerFailed):
        whole(events, answer_of())


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (WorkerFailed("It was killed."), "server_error"),
        (QueueFull("256 wait."), "rate_limit_exceeded"),
        (ContextTooLong("9 tokens, 8 fit.", param="input"), "invalid_prompt"),
    ],
)
def test_a_failure_midway_tells_what_there_was_and_what_happened(
    error: MlxGuiError, code: str
) -> None:
    answer, frames = answer_of(), EventFrames()
    begun = frames.encode(
        [each for e in golden_events("everything")[:5] for each in answer.feed(e)]
    )

    (name, failed), (last, data) = parts_of(frames.encode(answer.fail(error, "request-1")))

    assert name == "response.failed"
    assert failed["sequence_number"] == begun.count(b"event: ")
    assert failed["response"]["status"] == "failed"
    assert failed["response"]["error"] == {"code": code, "message": error.message}
    assert [item["status"] for item in failed["response"]["output"]] == ["completed", "incomplete"]
    assert last == "error"
    assert (data["code"], data["message"]) == (error.code, error.message)
    assert data["param"] == error.details.get("param")
    assert data["error"]["request_id"] == "request-1"
    Response.model_validate(failed["response"])


def test_a_failure_before_the_response_began_is_an_error_alone() -> None:
    ((name, data),) = parts_of(
        EventFrames().encode(answer_of().fail(QueueTimeout("It waited 5 s."), "request-1"))
    )

    assert (name, data["sequence_number"], data["code"]) == ("error", 0, "queue_timeout")
