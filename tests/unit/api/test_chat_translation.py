"""Golden files: OpenAI's JSON to core, and core's events to the exact bytes of the answer."""

from pathlib import Path

import msgspec
import pytest

from mlx_gui.api.openai.chat.translate import (
    Answer,
    AnswerHead,
    ChunkEncoder,
    error_frames,
    to_core,
)
from mlx_gui.api.openai.chat.wire import ChatCompletionChunk, ChatCompletionRequest
from mlx_gui.api.validation import parse_json
from mlx_gui.core.errors import (
    Cancelled,
    CapabilityMissing,
    InvalidRequest,
    QueueTimeout,
    WorkerFailed,
)
from mlx_gui.core.generation import Done, Failed, GenerateRequest, GenerationEvent, Prepared, Usage

GOLDEN = Path(__file__).parent / "golden"
REQUESTS = sorted(
    path.name.removesuffix(".core.json") for path in GOLDEN.glob("requests/*.core.json")
)
ANSWERS = sorted(
    path.name.removesuffix(".events.json") for path in GOLDEN.glob("answers/*.events.json")
)
HEAD = AnswerHead(id="chatcmpl-1", created=1_700_000_000, model="org/one")
TIMED_OUT = QueueTimeout("It waited 5 s.", hint="Later.", details={"waited_s": 5})


def core_of(**fields: object) -> GenerateRequest:
    body = {"model": "org/one", "messages": [{"role": "user", "content": "Hi"}], **fields}
    return to_core(ChatCompletionRequest.model_validate(body), tenant="local")


def golden_events(name: str) -> list[GenerationEvent]:
    content = (GOLDEN / "answers" / f"{name}.events.json").read_bytes()
    return msgspec.json.decode(content, type=list[GenerationEvent])


@pytest.mark.parametrize("name", REQUESTS)
def test_a_request_becomes_the_canonical_one(name: str) -> None:
    body = parse_json((GOLDEN / "requests" / f"{name}.json").read_bytes())
    expected = (GOLDEN / "requests" / f"{name}.core.json").read_bytes()

    core = to_core(ChatCompletionRequest.model_validate(body), tenant="team-a")

    assert msgspec.json.decode(msgspec.json.encode(core)) == msgspec.json.decode(expected)


@pytest.mark.parametrize("include_usage", [False, True], ids=["plain", "usage"])
@pytest.mark.parametrize("name", ANSWERS)
def test_events_become_exactly_these_chunks(name: str, include_usage: bool) -> None:
    encoder = ChunkEncoder(HEAD, include_usage=include_usage)
    suffix = "usage.sse" if include_usage else "sse"

    stream = b"".join(encoder.encode(event) for event in golden_events(name))

    assert stream == (GOLDEN / "answers" / f"{name}.{suffix}").read_bytes()


@pytest.mark.parametrize("name", ANSWERS)
def test_events_become_exactly_this_answer(name: str) -> None:
    answer = Answer(HEAD)
    for event in golden_events(name):
        answer.feed(event)

    body = answer.complete().model_dump_json(indent=2) + "\n"

    assert body == (GOLDEN / "answers" / f"{name}.json").read_text()


@pytest.mark.parametrize("path", sorted(GOLDEN.glob("answers/*.sse")), ids=lambda path: path.name)
def test_every_chunk_is_as_documented(path: Path) -> None:
    *chunks, end = path.read_bytes().decode().removesuffix("\n\n").split("\n\n")

    assert end == "data: [DONE]"
    for chunk in chunks:
        ChatCompletionChunk.model_validate_json(chunk.removeprefix("data: "))


@pytest.mark.parametrize("kind", ["image_url", "input_audio", "file"])
def test_a_part_that_is_not_text_is_a_missing_capability(kind: str) -> None:
    parts = [{"type": "text", "text": "What is this?"}, {"type": kind, kind: {"url": "http://a/b"}}]

    with pytest.raises(CapabilityMissing, match=kind) as refusal:
        core_of(messages=[{"role": "user", "content": parts}])

    assert refusal.value.details["param"] == "messages[0].content[1]"


@pytest.mark.parametrize(
    ("fields", "param"),
    [
        ({"n": 2}, "n"),
        ({"stream_options": {"include_usage": True}}, "stream_options"),
        ({"stream": False, "stream_options": {}}, "stream_options"),
        ({"messages": [{"role": "user"}]}, "messages[0].content"),
        (
            {"messages": [{"role": "user", "content": [{"type": "text"}]}]},
            "messages[0].content[0].text",
        ),
        (
            {"messages": [{"role": "user", "content": [{"type": "smell"}]}]},
            "messages[0].content[0].type",
        ),
    ],
)
def test_what_the_types_allow_but_we_do_not_is_refused(
    fields: dict[str, object], param: str
) -> None:
    with pytest.raises(InvalidRequest) as refusal:
        core_of(**fields)

    assert refusal.value.details["param"] == param
    assert f"`{param}`" in refusal.value.message


@pytest.mark.parametrize(
    ("event", "error"),
    [
        (Failed(TIMED_OUT.info()), QueueTimeout),
        (Done(0, "cancelled"), Cancelled),
        (Done(0, "error"), WorkerFailed),
    ],
)
def test_an_event_that_ends_badly_is_raised(event: GenerationEvent, error: type[Exception]) -> None:
    with pytest.raises(error):
        ChunkEncoder(HEAD, include_usage=False).encode(event)
    with pytest.raises(error):
        Answer(HEAD).feed(event)


def test_an_answer_without_its_end_is_not_given_out() -> None:
    answer = Answer(HEAD)
    answer.feed(Prepared(3))
    answer.feed(Usage(3, 0))

    with pytest.raises(WorkerFailed):
        answer.complete()


def test_an_error_in_a_stream_is_followed_by_the_streams_end() -> None:
    assert error_frames(TIMED_OUT, "request-1") == (
        b'data: {"error":{"message":"It waited 5 s.","type":"server_error","param":null,'
        b'"code":"queue_timeout","hint":"Later.","details":{"waited_s":5},'
        b'"request_id":"request-1"}}\n\n'
        b"data: [DONE]\n\n"
    )
