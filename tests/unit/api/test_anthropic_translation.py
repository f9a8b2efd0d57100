"""Golden files: Anthropic's JSON to core, and core's events to the exact bytes of the answer."""

import json
from itertools import pairwise
from pathlib import Path
from typing import Any, Literal

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlx_gui.api.anthropic.errors import error_body
from mlx_gui.api.anthropic.messages.answer import (
    INVALID_JSON,
    AnswerHead,
    StreamEncoder,
    WholeAnswer,
    error_frame,
)
from mlx_gui.api.anthropic.messages.stream_wire import STREAM_EVENTS
from mlx_gui.api.anthropic.messages.translate import to_core, to_count
from mlx_gui.api.anthropic.messages.wire import (
    MessageAnswer,
    MessageCountRequest,
    MessageRequest,
)
from mlx_gui.api.notices import Notices
from mlx_gui.api.pictures import Shown
from mlx_gui.api.validation import parse_json
from mlx_gui.core.errors import (
    Cancelled,
    CapabilityMissing,
    InvalidRequest,
    NotFound,
    QueueTimeout,
    WorkerFailed,
)
from mlx_gui.core.generation import (
    CallStarted,
    Channel,
    Delta,
    Done,
    Event,
    Failed,
    GenerateRequest,
    Prepared,
    Usage,
)

GOLDEN = Path(__file__).parent / "golden" / "anthropic"
REQUESTS = sorted(
    path.name.removesuffix(".core.json") for path in GOLDEN.glob("requests/*.core.json")
)
ANSWERS = sorted(
    path.name.removesuffix(".events.json") for path in GOLDEN.glob("answers/*.events.json")
)
HEAD = AnswerHead(id="msg_1", model="org/one")
HIDING = AnswerHead(id="msg_1", model="org/one", show_thinking=False)
TIMED_OUT = QueueTimeout("It waited 5 s.", hint="Later.", details={"waited_s": 5})
IMAGE = {"type": "image", "source": {"type": "url", "url": "http://a.example/b.png"}}
CALL = {"type": "tool_use", "id": "t", "name": "clock", "input": {}}
RESULT = {"type": "tool_result", "tool_use_id": "t", "content": "noon"}
CLOCK = {"name": "clock", "input_schema": {"type": "object"}}
SEARCH = {"name": "web_search", "type": "web_search_20250305", "max_uses": 5}


def user(*blocks: object) -> dict[str, object]:
    return {"role": "user", "content": list(blocks)}


def assistant(*blocks: object) -> dict[str, object]:
    return {"role": "assistant", "content": list(blocks)}


def core_of(**fields: object) -> GenerateRequest:
    body = {
        "model": "org/one",
        "max_tokens": 2000,
        "messages": [{"role": "user", "content": "Hi"}],
        **fields,
    }
    return to_core(MessageRequest.model_validate(body), shown=Shown(Notices()))


def golden_events(name: str) -> list[Event]:
    content = (GOLDEN / "answers" / f"{name}.events.json").read_bytes()
    return msgspec.json.decode(content, type=list[Event])


def streamed(events: list[Event], head: AnswerHead = HEAD) -> bytes:
    encoder = StreamEncoder(head)
    return b"".join(encoder.encode(event) for event in events)


def whole(events: list[Event], head: AnswerHead = HEAD) -> MessageAnswer:
    answer = WholeAnswer(head)
    for event in events:
        answer.feed(event)
    return answer.complete()


def frames(stream: bytes) -> list[tuple[str, str]]:
    """Name and data of each event of `stream`."""
    lines = [frame.split("\n") for frame in stream.decode().removesuffix("\n\n").split("\n\n")]
    return [(name.removeprefix("event: "), data.removeprefix("data: ")) for name, data in lines]


def accumulated(stream: bytes) -> dict[str, Any]:
    """The message that a client puts together, which wants one block after the other."""
    message: dict[str, Any] = {}
    blocks: list[dict[str, Any]] = []
    is_open = False
    for name, data in frames(stream):
        event = json.loads(data)
        assert event["type"] == name
        if name == "message_start":
            message = event["message"]
        elif name == "content_block_start":
            assert not is_open
            assert event["index"] == len(blocks)
            blocks.append(event["content_block"])
            is_open = True
        elif name == "content_block_delta":
            assert is_open
            assert event["index"] == len(blocks) - 1
            _, (field, text) = event["delta"].items()
            blocks[-1][field] = blocks[-1].get(field, "") + text
        elif name == "content_block_stop":
            assert is_open
            assert event["index"] == len(blocks) - 1
            is_open = False
            if partial_json := blocks[-1].pop("partial_json", ""):
                blocks[-1]["input"] = json.loads(partial_json)
        elif name == "message_delta":
            assert not is_open
            message |= {**event["delta"], "usage": event["usage"]}
    assert name == "message_stop"
    return {**message, "content": blocks}


@st.composite
def answers(draw: st.DrawFn) -> tuple[list[Event], list[Event]]:
    """The events of an answer, and the same with its text cut in other places."""
    inputs = st.dictionaries(st.text(), st.text() | st.integers() | st.lists(st.booleans()))
    pieces = draw(
        st.lists(st.tuples(st.sampled_from(["content", "reasoning"]), st.text()) | inputs)
    )
    intact: list[Event] = [Prepared(3)]
    cut: list[Event] = [Prepared(3)]
    calls = 0
    for piece in pieces:
        channel: Channel = "tool_call"
        if isinstance(piece, dict):
            started = CallStarted(0, calls, "call", "clock")
            intact.append(started)
            cut.append(started)
            text = json.dumps(piece, ensure_ascii=False)
            calls += 1
        else:
            channel, text = piece
        call = max(calls - 1, 0)
        intact.append(Delta(0, text, channel, call=call))
        places = sorted(draw(st.lists(st.integers(0, len(text)), max_size=4)))
        for start, end in pairwise([0, *places, len(text)]):
            cut.append(Delta(0, text[start:end], channel, call=call))
    end: list[Event] = [Done(0, "tool_calls" if calls else "stop"), Usage(3, 9)]
    return intact + end, cut + end


@pytest.mark.parametrize("name", REQUESTS)
def test_a_request_becomes_the_canonical_one(name: str) -> None:
    body = parse_json((GOLDEN / "requests" / f"{name}.json").read_bytes())
    expected = (GOLDEN / "requests" / f"{name}.core.json").read_bytes()

    core = to_core(MessageRequest.model_validate(body), shown=Shown(Notices()))

    assert msgspec.json.decode(msgspec.json.encode(core)) == msgspec.json.decode(expected)


@pytest.mark.parametrize("name", REQUESTS)
def test_what_is_counted_is_the_prompt_that_would_be_answered(name: str) -> None:
    body = parse_json((GOLDEN / "requests" / f"{name}.json").read_bytes())

    asked = to_core(MessageRequest.model_validate(body), shown=Shown(Notices()))
    counted = to_count(MessageCountRequest.model_validate(body), shown=Shown(Notices())).request

    for field in ("messages", "tools", "tool_choice", "grammar", "reasoning", "continue_final"):
        assert getattr(counted, field) == getattr(asked, field)


@pytest.mark.parametrize("name", ANSWERS)
def test_events_become_exactly_these_frames(name: str) -> None:
    assert streamed(golden_events(name)) == (GOLDEN / "answers" / f"{name}.sse").read_bytes()


@pytest.mark.parametrize("name", ANSWERS)
def test_events_become_exactly_this_answer(name: str) -> None:
    body = whole(golden_events(name)).model_dump_json(indent=2) + "\n"

    assert body == (GOLDEN / "answers" / f"{name}.json").read_text()


@pytest.mark.parametrize("path", sorted(GOLDEN.glob("answers/*.sse")), ids=lambda path: path.name)
def test_every_event_is_as_documented(path: Path) -> None:
    documented = {model.model_fields["type"].annotation: model for model in STREAM_EVENTS}

    for name, data in frames(path.read_bytes()):
        documented[Literal[name]].model_validate_json(data)  # pyright: ignore[reportArgumentType]


@given(answers())
def test_however_the_text_is_cut_the_message_is_the_same(
    events: tuple[list[Event], list[Event]],
) -> None:
    intact, cut = events
    expected = whole(intact).model_dump()

    assert whole(cut).model_dump() == expected
    assert accumulated(streamed(cut)) == expected


def test_hidden_thoughts_leave_a_blank_block() -> None:
    events = [Prepared(3), Delta(0, "Hm", "reasoning"), Delta(0, "Yes"), Done(0, "stop")]
    events.append(Usage(3, 2))

    content = whole(events, HIDING).model_dump()["content"]

    assert content == [
        {"type": "thinking", "thinking": "", "signature": ""},
        {"type": "text", "text": "Yes"},
    ]
    assert accumulated(streamed(events, HIDING))["content"] == content
    assert b"Hm" not in streamed(events, HIDING)


@pytest.mark.parametrize(
    "arguments",
    [
        *('{"a": 1', "[1]", "nonsense", '"text"', "[" * 10_000),
        *('{"a": "\\ud83d"}', '{"a": 1e999}'),
    ],
)
def test_an_input_that_is_no_object_or_cannot_be_sent_is_kept_as_text(arguments: str) -> None:
    answer = whole(
        [
            Prepared(3),
            CallStarted(0, 0, "call_0", "clock"),
            Delta(0, arguments, "tool_call"),
            Done(0, "length"),
            Usage(3, 4),
        ]
    )

    assert answer.model_dump()["content"][0]["input"] == {INVALID_JSON: arguments}
    assert answer.stop_reason == "max_tokens"


def test_no_two_answers_give_a_call_the_same_id() -> None:
    ids = {AnswerHead(id=f"msg_{n}", model="m").tool_use_id(c) for n in range(3) for c in range(3)}

    assert len(ids) == 9
    assert all(id.startswith("toolu_") for id in ids)


@pytest.mark.parametrize(
    ("content", "param"),
    [
        ([IMAGE], "messages[0].content[0]"),
        ([{"type": "text", "text": "See"}, IMAGE], "messages[0].content[1]"),
        (
            [{"type": "document", "source": {"type": "url", "url": "http://a.example/b.pdf"}}],
            "messages[0].content[0].source",
        ),
        (
            [{"type": "document", "source": {"type": "base64", "data": "JVBERi0="}}],
            "messages[0].content[0].source",
        ),
        (
            [{"type": "document", "source": {"type": "content", "content": [IMAGE]}}],
            "messages[0].content[0].source.content[0]",
        ),
    ],
)
def test_what_is_not_text_is_a_missing_capability(content: object, param: str) -> None:
    with pytest.raises(CapabilityMissing, match=r"reads text only|takes no files") as refusal:
        core_of(messages=[{"role": "user", "content": content}])

    assert refusal.value.details["param"] == param


@pytest.mark.parametrize(
    ("messages", "param"),
    [
        ([user()], "messages[0].content"),
        ([assistant()], "messages"),
        ([assistant({"type": "redacted_thinking", "data": "?"})], "messages"),
        ([{"role": "user", "content": ""}], "messages[0].content"),
        ([assistant(), user({"type": "text", "text": "Hi"})], "messages[0].content"),
        ([user({"type": "text"})], "messages[0].content[0].text"),
        ([user({"type": "document"})], "messages[0].content[0].source"),
        (
            [user({"type": "document", "source": {"type": "text"}})],
            "messages[0].content[0].source.data",
        ),
        ([user({"type": "search_result", "content": "a"})], "messages[0].content[0].source"),
        ([user({"type": "search_result", "source": "a"})], "messages[0].content[0].content"),
        ([user({"type": "tool_reference"})], "messages[0].content[0].tool_name"),
        ([user(CALL)], "messages[0].content[0]"),
        ([user({"type": "thinking", "thinking": "Hm"})], "messages[0].content[0]"),
        ([assistant(CALL), assistant(RESULT)], "messages[1].content[0]"),
        ([{"role": "system", "content": [CALL]}], "messages[0].content[0]"),
        ([user(RESULT)], "messages[0].content[0].tool_use_id"),
        ([user({"type": "tool_result"})], "messages[0].content[0].tool_use_id"),
        (
            [assistant(CALL), user({**RESULT, "content": [CALL]})],
            "messages[1].content[0].content[0]",
        ),
        ([assistant({**CALL, "id": None})], "messages[0].content[0].id"),
        ([assistant({**CALL, "name": None})], "messages[0].content[0].name"),
        ([assistant({**CALL, "input": None})], "messages[0].content[0].input"),
        ([assistant({"type": "thinking"})], "messages[0].content[0].thinking"),
        ([user({"type": "text", "text": "Hi"}), assistant(CALL)], "messages[1]"),
        ([assistant({"type": "thinking", "thinking": "Hm"})], "messages[0]"),
        ([{"role": "assistant", "content": "Once \n"}], "messages[0]"),
    ],
)
def test_messages_that_make_no_sense_are_refused(messages: object, param: str) -> None:
    with pytest.raises(InvalidRequest) as refusal:
        core_of(messages=messages)

    assert refusal.value.details["param"] == param
    assert f"`{param}`" in refusal.value.message
    assert refusal.value.hint


@pytest.mark.parametrize(
    ("fields", "param"),
    [
        ({"tools": [{"name": "clock"}]}, "tools[0].input_schema"),
        ({"tools": [{"name": "clock", "type": "custom"}]}, "tools[0].input_schema"),
        ({"tools": [SEARCH], "tool_choice": {"type": "any"}}, "tool_choice"),
        (
            {"tools": [SEARCH, CLOCK], "tool_choice": {"type": "tool", "name": "web_search"}},
            "tool_choice.name",
        ),
        (
            {"tools": [{"name": "clock", "input_schema": {"type": "string"}}]},
            "tools[0].input_schema",
        ),
        (
            {"tools": [{"name": "clock", "input_schema": {"properties": {"zone": 5}}}]},
            "tools[0].input_schema.properties.zone",
        ),
        ({"tools": [CLOCK, CLOCK]}, "tools[1].name"),
        ({"tool_choice": {"type": "any"}}, "tool_choice"),
        ({"tools": [CLOCK], "tool_choice": {"type": "tool"}}, "tool_choice.name"),
        ({"tools": [CLOCK], "tool_choice": {"type": "tool", "name": "a"}}, "tool_choice.name"),
        ({"tool_choice": {"type": "tool", "name": "clock"}}, "tool_choice.name"),
        ({"thinking": {"type": "enabled"}}, "thinking.budget_tokens"),
        ({"thinking": {"type": "enabled", "budget_tokens": 1023}}, "thinking.budget_tokens"),
        ({"thinking": {"type": "enabled", "budget_tokens": 2000}}, "thinking.budget_tokens"),
        (
            {
                "messages": [
                    {"role": "user", "content": "Hi"},
                    {"role": "assistant", "content": "A"},
                ],
                "output_format": {"type": "json_schema", "schema": {}},
            },
            "messages",
        ),
        (
            {
                "messages": [{"role": "assistant", "content": "A"}],
                "thinking": {"type": "enabled", "budget_tokens": 1024},
            },
            "messages",
        ),
    ],
)
def test_what_the_types_allow_but_we_do_not_is_refused(
    fields: dict[str, object], param: str
) -> None:
    with pytest.raises(InvalidRequest) as refusal:
        core_of(**fields)

    assert refusal.value.details["param"] == param
    assert refusal.value.hint


def test_a_thread_that_a_client_believes_to_be_kept_is_not_found() -> None:
    assert core_of(thread={"type": "create"}) == core_of()

    with pytest.raises(NotFound) as refusal:
        core_of(
            thread={"type": "continue", "previous_message_id": "msg_1"}, messages=[user(RESULT)]
        )

    body = json.loads(error_body(refusal.value, "request-1"))
    assert body["error"]["type"] == "not_found_error"
    assert body["error"]["details"]["error_code"] == "thread_not_found"


@pytest.mark.parametrize(
    ("fields", "enabled"),
    [
        ({}, False),
        ({"output_config": {}}, False),
        ({"output_config": {"effort": "low"}}, None),
        ({"thinking": {"type": "adaptive"}}, None),
        ({"thinking": {"type": "between_tools"}}, None),
        ({"thinking": {"type": "disabled"}, "output_config": {"effort": "high"}}, False),
        ({"thinking": {"type": "enabled", "budget_tokens": 1999}}, True),
    ],
)
def test_a_model_thinks_only_where_it_is_asked_to(
    fields: dict[str, object], enabled: bool | None
) -> None:
    assert core_of(**fields).reasoning.enabled is enabled


@pytest.mark.parametrize(
    ("event", "error"),
    [
        (Failed(TIMED_OUT.info()), QueueTimeout),
        (Done(0, "cancelled"), Cancelled),
        (Done(0, "error"), WorkerFailed),
    ],
)
def test_an_event_that_ends_badly_is_raised(event: Event, error: type[Exception]) -> None:
    with pytest.raises(error):
        StreamEncoder(HEAD).encode(event)
    with pytest.raises(error):
        WholeAnswer(HEAD).feed(event)


@pytest.mark.parametrize("ends", [[Usage(3, 1)], [Done(0, "stop")], []])
def test_an_answer_without_its_end_is_not_given_out(ends: list[Event]) -> None:
    with pytest.raises(WorkerFailed):
        whole([Prepared(3), *ends])


def test_a_stream_without_a_reason_for_its_end_fails() -> None:
    with pytest.raises(WorkerFailed):
        streamed([Prepared(3), Usage(3, 0)])


def test_an_error_in_a_stream_is_an_event_of_its_own() -> None:
    assert error_frame(TIMED_OUT, "request-1") == (
        b"event: error\n"
        b'data: {"type":"error","error":{"type":"timeout_error","message":"It waited 5 s.",'
        b'"hint":"Later.","code":"queue_timeout",'
        b'"details":{"error_code":"queue_timeout","waited_s":5}},"request_id":"request-1"}\n\n'
    )
