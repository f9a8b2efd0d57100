"""Golden files: Ollama's JSON to core, and core's events to the exact bytes of the answer."""

import json
import math
from collections.abc import Iterator
from itertools import count, pairwise
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlx_gui.api.answers import Gathering
from mlx_gui.api.notices import Notices
from mlx_gui.api.ollama.answers import AnswerWriter, Body, Stopwatch
from mlx_gui.api.ollama.chat import translate as chat
from mlx_gui.api.ollama.chat.wire import OllamaChatAnswer, OllamaChatRequest
from mlx_gui.api.ollama.durations import LONGEST_S, parse_keep_alive
from mlx_gui.api.ollama.errors import error_line
from mlx_gui.api.ollama.generate import translate as generate
from mlx_gui.api.ollama.generate.wire import OllamaGenerateAnswer, OllamaGenerateRequest
from mlx_gui.api.pictures import Shown
from mlx_gui.api.validation import parse_json
from mlx_gui.core.errors import (
    Cancelled,
    CapabilityMissing,
    InvalidRequest,
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
    Prepared,
    Usage,
)

GOLDEN = Path(__file__).parent / "golden" / "ollama"
BODIES: dict[str, Body] = {"chat": chat.message_body, "generate": generate.response_body}
SHAPES = {"chat": OllamaChatAnswer, "generate": OllamaGenerateAnswer}
MICROSECOND_NS = 1_000
TIMED_OUT = QueueTimeout("It waited 5 s.", hint="Later.", details={"waited_s": 5})


def names(pattern: str) -> list[str]:
    return sorted(path.name.partition(".")[0] for path in GOLDEN.glob(pattern))


ANSWERS = [
    (name, endpoint) for endpoint in BODIES for name in names(f"answers/*.{endpoint}.ndjson")
]


def chat_core(body: object) -> GenerateRequest:
    return chat.to_core(OllamaChatRequest.model_validate(body), shown=Shown(Notices()))


def generate_core(body: object) -> GenerateRequest:
    return generate.to_core(OllamaGenerateRequest.model_validate(body), shown=Shown(Notices()))


def events(name: str) -> list[Event]:
    content = (GOLDEN / "answers" / f"{name}.events.json").read_bytes()
    return msgspec.json.decode(content, type=list[Event])


def writing(endpoint: str) -> tuple[AnswerWriter, Stopwatch]:
    """A writer whose clock goes on by a microsecond whenever it is looked at."""
    ticks: Iterator[int] = count(0, MICROSECOND_NS)
    stopwatch = Stopwatch(lambda: next(ticks))
    return AnswerWriter(
        "org/one:latest", BODIES[endpoint], stopwatch, now=lambda: 1_700_000_000.5
    ), stopwatch


def lines(endpoint: str, name: str) -> bytes:
    writer, stopwatch = writing(endpoint)
    written = b""
    for event in events(name):
        stopwatch.notice(event)
        written += writer.line(event)
    return written


def whole(endpoint: str, name: str) -> bytes:
    writer, stopwatch = writing(endpoint)
    gathered = Gathering()
    for event in events(name):
        stopwatch.notice(event)
        gathered.feed(event)
    return writer.whole(gathered)


@pytest.mark.parametrize("name", names("chat-requests/*.core.json"))
def test_a_chat_becomes_the_canonical_request(name: str) -> None:
    body = parse_json((GOLDEN / "chat-requests" / f"{name}.json").read_bytes())
    expected = (GOLDEN / "chat-requests" / f"{name}.core.json").read_bytes()

    assert chat_core(body) == msgspec.json.decode(expected, type=GenerateRequest)


@pytest.mark.parametrize("name", names("generate-requests/*.core.json"))
def test_a_prompt_becomes_the_canonical_request(name: str) -> None:
    body = parse_json((GOLDEN / "generate-requests" / f"{name}.json").read_bytes())
    expected = (GOLDEN / "generate-requests" / f"{name}.core.json").read_bytes()

    assert generate_core(body) == msgspec.json.decode(expected, type=GenerateRequest)


@pytest.mark.parametrize(("name", "endpoint"), ANSWERS)
def test_events_become_exactly_these_lines(name: str, endpoint: str) -> None:
    written = lines(endpoint, name)

    assert written == (GOLDEN / "answers" / f"{name}.{endpoint}.ndjson").read_bytes()
    # Clients split at every line break of Unicode, not only at \n.
    for line in written.decode().splitlines():
        SHAPES[endpoint].model_validate_json(line)


@pytest.mark.parametrize(("name", "endpoint"), ANSWERS)
def test_events_become_exactly_this_answer(name: str, endpoint: str) -> None:
    written = whole(endpoint, name)

    assert written == (GOLDEN / "answers" / f"{name}.{endpoint}.json").read_bytes()
    SHAPES[endpoint].model_validate_json(written)


@given(data=st.data())
def test_however_the_model_writes_it_lines_and_whole_say_the_same(data: st.DataObject) -> None:
    words = st.one_of(st.integers(), st.text(max_size=5), st.just('}"'))
    arguments = st.dictionaries(st.text(max_size=5), words, max_size=3)
    objects = data.draw(st.lists(arguments, max_size=3))
    said: list[Event] = [Prepared(3), Delta(0, "Well.")]
    for number, wanted in enumerate(objects):
        said.append(CallStarted(0, number, f"call_{number}", "f"))
        written = msgspec.json.format(msgspec.json.encode(wanted), indent=1).decode()
        for piece in cut(data, written):
            said.append(Delta(0, piece, "tool_call", call=number))
    said += [Done(0, "tool_calls" if objects else "stop"), Usage(3, 9)]
    writer, _ = writing("chat")
    gathered = Gathering()
    lines: list[dict[str, Any]] = []
    for event in said:
        gathered.feed(event)
        lines += [json.loads(line)["message"] for line in writer.line(event).splitlines()]

    message = json.loads(writer.whole(gathered))["message"]

    assert [call["function"]["arguments"] for call in message.get("tool_calls", [])] == objects
    assert [call for line in lines for call in line.get("tool_calls", [])] == message.get(
        "tool_calls", []
    )
    assert "".join(line["content"] for line in lines) == message["content"] == "Well."


def cut(data: st.DataObject, text: str) -> list[str]:
    """`text` in pieces."""
    places = sorted(data.draw(st.sets(st.integers(1, max(len(text) - 1, 1)), max_size=5)))
    return [text[start:end] for start, end in pairwise([0, *places, len(text)])]


def test_what_a_schema_is_sent_without_a_value_is_left_out() -> None:
    parameters = {"type": "object", "required": None, "properties": {"city": {"type": "string"}}}
    tool = {"function": {"name": "f", "parameters": parameters}}

    core = chat_core({"model": "org/one", "tools": [tool]})

    assert core.tools[0].parameters == {k: v for k, v in parameters.items() if v is not None}


def test_an_answer_that_was_not_asked_for_says_what_was_done_instead() -> None:
    writer, _ = writing("generate")

    assert writer.empty("load") == (
        b'{"model":"org/one:latest","created_at":"2023-11-14T22:13:20.500Z","response":"",'
        b'"done":true,"done_reason":"load"}'
    )


@pytest.mark.parametrize(
    ("event", "error"),
    [
        (Failed(TIMED_OUT.info()), QueueTimeout),
        (Done(0, "cancelled"), Cancelled),
        (Done(0, "error"), WorkerFailed),
    ],
)
def test_an_event_that_ends_badly_is_raised(event: Event, error: type[Exception]) -> None:
    writer, _ = writing("chat")

    with pytest.raises(error):
        writer.line(event)


def test_an_answer_without_its_end_is_not_given_out() -> None:
    writer, _ = writing("chat")
    gathered = Gathering()
    gathered.feed(Prepared(3))
    gathered.feed(Usage(3, 0))

    with pytest.raises(WorkerFailed):
        writer.whole(gathered)


def test_an_error_in_a_stream_is_its_last_line() -> None:
    assert error_line(TIMED_OUT, "request-1") == (
        b'{"error":"It waited 5 s.","code":"queue_timeout","hint":"Later.",'
        b'"details":{"waited_s":5},"request_id":"request-1"}\n'
    )


@pytest.mark.parametrize(
    ("to_core", "fields", "param", "error"),
    [
        (
            chat_core,
            {"messages": [{"role": "user", "images": ["no base64"]}]},
            "messages[0].images",
            CapabilityMissing,
        ),
        (chat_core, {"top_logprobs": 2}, "top_logprobs", InvalidRequest),
        (generate_core, {"prompt": "a", "images": [5]}, "images", CapabilityMissing),
        (
            generate_core,
            {"prompt": "a", "suffix": "b", "template": "{{ x }}"},
            "template",
            InvalidRequest,
        ),
        (
            generate_core,
            {"prompt": "a", "suffix": "b", "context": [1]},
            "context",
            InvalidRequest,
        ),
        (generate_core, {"raw": True, "context": [1]}, "context", InvalidRequest),
        (generate_core, {"raw": True, "system": "b"}, "system", InvalidRequest),
        (generate_core, {"raw": True, "template": "b"}, "template", InvalidRequest),
        (generate_core, {"template": "{{ .Prompt }}"}, "template", InvalidRequest),
        (generate_core, {"template": "{{- if .System }}a{{ end }}"}, "template", InvalidRequest),
        (generate_core, {"template": "{{ $x := 1 }}"}, "template", InvalidRequest),
    ],
)
def test_what_the_types_allow_but_we_do_not_is_refused(
    to_core: Any, fields: dict[str, object], param: str, error: type[InvalidRequest]
) -> None:
    with pytest.raises(error) as refusal:
        to_core({"model": "org/one", **fields})

    assert refusal.value.details["param"] == param
    assert f"`{param}`" in refusal.value.message
    assert refusal.value.hint


@pytest.mark.parametrize(
    ("written", "seconds"),
    [
        (300, 300),
        (1.5, 1.5),
        (0, 0),
        (-1, -1),
        (-3600, -1),
        (-0.5, -1),
        (-(2**63), -1),
        (-math.inf, -1),
        ("5m", 300),
        ("1h30m", 5400),
        ("1.5h", 5400),
        ("1h0m30.5s", 3630.5),
        ("1.h", 3600),
        ("300ms", 0.3),
        ("2\u00b5s", 2e-6),
        (".5s", 0.5),
        ("+10s", 10),
        ("-1m", -1),
        ("-1", -1),
        ("0", 0),
        ("42", 42),
        ("+42", 42),
        ("-1h30m", -1),
        ("-0", 0),
        ("0m", 0),
        ("1ns", 1e-9),
        ("1us", 1e-6),
        ("1\u03bcs", 1e-6),
        (LONGEST_S, LONGEST_S),
    ],
)
def test_a_keep_alive_is_read_in_each_of_its_forms(written: object, seconds: float) -> None:
    assert parse_keep_alive(written) == pytest.approx(seconds)


@pytest.mark.parametrize(
    "written",
    [
        "",
        " ",
        "m",
        "5 m",
        " 5m",
        "5m\n",
        "5d",
        "5M",
        "1m5",
        "1h-5m",
        "--1",
        "+-1",
        "-",
        ".",
        ".s",
        "1..5s",
        "1,5s",
        "for ever",
        "abc",
        "inf",
        "nan",
        "1e3",
        "0x10",
        "\u0665m",
        pytest.param("5m" * 40, id="long"),
        pytest.param("9" * 200_000, id="endless"),
        "9999999h",
        LONGEST_S + 1,
        10**400,
        math.inf,
        math.nan,
        True,
        False,
        [],
        [5],
        {},
        {"s": 5},
        b"5m",
    ],
)
def test_what_is_no_duration_is_refused(written: object) -> None:
    with pytest.raises(ValueError, match="it is"):
        parse_keep_alive(written)
