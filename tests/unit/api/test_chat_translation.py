"""Golden files: OpenAI's chat JSON to core, and core's events to the exact bytes of the answer."""

from pathlib import Path

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlx_gui.api.answers import Gathering
from mlx_gui.api.notices import Notices
from mlx_gui.api.openai.chat.answer import AnswerForm, ChunkEncoder, chat_completion, form_of
from mlx_gui.api.openai.chat.translate import to_core
from mlx_gui.api.openai.chat.wire import ChatCompletionChunk, ChatCompletionRequest
from mlx_gui.api.openai.translate import AnswerHead, error_frames
from mlx_gui.api.pictures import Shown
from mlx_gui.api.validation import parse_json
from mlx_gui.core.errors import Cancelled, QueueTimeout, WorkerFailed
from mlx_gui.core.generation import (
    CallStarted,
    Delta,
    Done,
    Event,
    Failed,
    GenerateRequest,
    Grammar,
    Prepared,
    ToolCallPart,
    Usage,
)

GOLDEN = Path(__file__).parent / "golden"
REQUESTS = sorted(
    path.name.removesuffix(".core.json") for path in GOLDEN.glob("requests/*.core.json")
)
ANSWERS = sorted(
    path.name.removesuffix(".events.json") for path in GOLDEN.glob("answers/*.events.json")
)
FORMS = {
    "several": AnswerForm(n=2),
    "logprobs": AnswerForm(logprobs=True),
    "legacy": AnswerForm(legacy_calls=True),
    "hidden": AnswerForm(reasoning=False),
}
HEAD = AnswerHead("chatcmpl-1", 1_700_000_000, "org/one", "mlx-gui-1")
TIMED_OUT = QueueTimeout("It waited 5 s.", hint="Later.", details={"waited_s": 5})
ASKED = {"model": "org/one", "messages": [{"role": "user", "content": "Hi"}]}
SCHEMA = {"type": "object", "properties": {"a": {"type": "integer"}}}
SCHEMA_TEXT = '{"type":"object","properties":{"a":{"type":"integer"}}}'


def core_of(**fields: object) -> GenerateRequest:
    body = ChatCompletionRequest.model_validate({**ASKED, **fields})
    return to_core(body, shown=Shown(Notices()))


def golden_events(name: str) -> list[Event]:
    content = (GOLDEN / "answers" / f"{name}.events.json").read_bytes()
    return msgspec.json.decode(content, type=list[Event])


def gathered(events: list[Event]) -> Gathering:
    answer = Gathering()
    for event in events:
        answer.feed(event)
    return answer


@pytest.mark.parametrize("name", REQUESTS)
def test_a_request_becomes_the_canonical_one(name: str) -> None:
    body = parse_json((GOLDEN / "requests" / f"{name}.json").read_bytes())
    expected = (GOLDEN / "requests" / f"{name}.core.json").read_bytes()

    core = to_core(ChatCompletionRequest.model_validate(body), shown=Shown(Notices()))

    assert core == msgspec.json.decode(expected, type=GenerateRequest)
    assert msgspec.msgpack.encode(core)


@pytest.mark.parametrize("include_usage", [False, True], ids=["plain", "usage"])
@pytest.mark.parametrize("name", ANSWERS)
def test_events_become_exactly_these_chunks(name: str, include_usage: bool) -> None:
    form = FORMS.get(name, AnswerForm())
    form = AnswerForm(form.n, form.logprobs, form.reasoning, form.legacy_calls, include_usage)
    encoder = ChunkEncoder(HEAD, form)
    suffix = "usage.sse" if include_usage else "sse"

    stream = b"".join(encoder.encode(event) for event in golden_events(name))

    assert stream == (GOLDEN / "answers" / f"{name}.{suffix}").read_bytes()


@pytest.mark.parametrize("name", ANSWERS)
def test_events_become_exactly_this_answer(name: str) -> None:
    answer = gathered(golden_events(name))

    body = chat_completion(HEAD, FORMS.get(name, AnswerForm()), answer).model_dump_json(indent=2)

    assert body + "\n" == (GOLDEN / "answers" / f"{name}.json").read_text()


@pytest.mark.parametrize("path", sorted(GOLDEN.glob("answers/*.sse")), ids=lambda path: path.name)
def test_every_chunk_is_as_documented(path: Path) -> None:
    *chunks, end = path.read_bytes().decode().removesuffix("\n\n").split("\n\n")

    assert end == "data: [DONE]"
    for chunk in chunks:
        ChatCompletionChunk.model_validate_json(chunk.removeprefix("data: "))


@pytest.mark.parametrize(
    ("fields", "grammar"),
    [
        ({"response_format": {"type": "text"}}, None),
        ({"response_format": {"type": "json_object"}}, Grammar("json_object")),
        ({"regex": "[0-9]+"}, Grammar("regex", "[0-9]+")),
        ({"guided_regex": "[0-9]+"}, Grammar("regex", "[0-9]+")),
        ({"structured_outputs": {"regex": "[0-9]+"}}, Grammar("regex", "[0-9]+")),
        ({"grammar": 'start: "a"'}, Grammar("lark", 'start: "a"')),
        ({"guided_grammar": 'start: "a"'}, Grammar("lark", 'start: "a"')),
        ({"structured_outputs": {"grammar": 'start: "a"'}}, Grammar("lark", 'start: "a"')),
        ({"guided_json": SCHEMA}, Grammar("json_schema", SCHEMA_TEXT)),
        ({"guided_json": SCHEMA_TEXT}, Grammar("json_schema", SCHEMA_TEXT)),
        ({"structured_outputs": {"json": SCHEMA}}, Grammar("json_schema", SCHEMA_TEXT)),
        ({"structured_outputs": {"json_object": True}}, Grammar("json_object")),
        ({"structured_outputs": {"json_object": False}}, None),
        ({"guided_choice": ["a", '"\n']}, Grammar("lark", 'start: "a" | "\\"\\n"')),
    ],
)
def test_each_way_to_ask_for_a_form_is_a_grammar(
    fields: dict[str, object], grammar: Grammar | None
) -> None:
    assert core_of(**fields).grammar == grammar


@pytest.mark.parametrize(
    ("fields", "enabled"),
    [
        ({}, None),
        ({"enable_thinking": False}, False),
        ({"reasoning_effort": "minimal"}, True),
        ({"reasoning_effort": "none"}, False),
        ({"reasoning_effort": "high", "enable_thinking": False}, False),
        ({"chat_template_kwargs": {"enable_thinking": True}}, True),
        ({"chat_template_kwargs": {"enable_thinking": "yes"}}, None),
        ({"chat_template_kwargs": {"enable_thinking": True}, "enable_thinking": False}, False),
    ],
)
def test_thinking_is_asked_for_in_several_ways(
    fields: dict[str, object], enabled: bool | None
) -> None:
    assert core_of(**fields).reasoning.enabled is enabled


@pytest.mark.parametrize(
    ("fields", "shown"),
    [
        ({}, True),
        ({"include_reasoning": True}, True),
        ({"include_reasoning": False}, False),
        ({"reasoning_format": "hidden"}, False),
        ({"reasoning_format": "parsed"}, True),
        ({"reasoning_format": "raw"}, True),
    ],
)
def test_a_thought_is_shown_unless_it_is_to_be_hidden(
    fields: dict[str, object], shown: bool
) -> None:
    body = ChatCompletionRequest.model_validate({**ASKED, **fields})

    assert form_of(body).reasoning is shown
    assert core_of(**fields).reasoning.raw == (fields == {"reasoning_format": "raw"})


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
        ChunkEncoder(HEAD, AnswerForm()).encode(event)
    with pytest.raises(error):
        gathered([event])


def test_an_answer_without_its_end_is_not_given_out() -> None:
    answer = gathered([Prepared(3), Usage(3, 0)])

    with pytest.raises(WorkerFailed):
        chat_completion(HEAD, AnswerForm(), answer)


def test_an_error_in_a_stream_is_followed_by_the_streams_end() -> None:
    assert error_frames(TIMED_OUT, "request-1") == (
        b'data: {"error":{"message":"It waited 5 s.","type":"server_error","param":null,'
        b'"code":"queue_timeout","hint":"Later.","details":{"waited_s":5},'
        b'"request_id":"request-1"}}\n\n'
        b"data: [DONE]\n\n"
    )


def test_a_call_is_taken_back_as_the_model_wrote_it() -> None:
    for arguments in ("[]", "null", '{"city": "Par', '"text"', "[" * 5000):
        call = {"id": "c1", "function": {"name": "f", "arguments": arguments}}
        core = core_of(messages=[{"role": "assistant", "tool_calls": [call]}])
        assert core.messages[0].parts == (ToolCallPart("c1", "f", arguments),)


@st.composite
def cut_apart(draw: st.DrawFn, texts: tuple[str, str, str]) -> list[Event]:
    """A thought, a content and a call's arguments, cut at any places."""

    def cut(text: str) -> list[str]:
        places = sorted(draw(st.sets(st.integers(0, len(text)), max_size=6)))
        return [text[a:b] for a, b in zip([0, *places], [*places, len(text)], strict=True)]

    thought, content, arguments = map(cut, texts)
    return [
        Prepared(3),
        *(Delta(0, text, "reasoning") for text in thought),
        *(Delta(0, text) for text in content),
        CallStarted(0, 0, "call_a", "f"),
        *(Delta(0, text, "tool_call") for text in arguments),
        Done(0, "tool_calls"),
        Usage(3, 9),
    ]


def streamed_message(events: list[Event]) -> dict[str, str]:
    """What a client puts together from the chunks."""
    encoder = ChunkEncoder(HEAD, AnswerForm())
    stream = b"".join(encoder.encode(event) for event in events).decode()
    found = {"content": "", "reasoning_content": "", "arguments": ""}
    for data in stream.removesuffix("\n\n").split("\n\n")[:-1]:
        chunk = ChatCompletionChunk.model_validate_json(data.removeprefix("data: "))
        delta = chunk.choices[0].delta
        found["content"] += delta.content or ""
        found["reasoning_content"] += delta.reasoning_content or ""
        for call in delta.tool_calls or ():
            found["arguments"] += call.function.arguments or ""
    return found


@given(
    data=st.data(),
    texts=st.tuples(*[st.text(st.characters(exclude_categories=["Cs"]), max_size=30)] * 3),
)
def test_wherever_the_text_is_cut_the_message_is_the_same(
    data: st.DataObject, texts: tuple[str, str, str]
) -> None:
    events = data.draw(cut_apart(texts))
    thought, content, arguments = texts

    whole = chat_completion(HEAD, AnswerForm(), gathered(events)).choices[0].message

    assert streamed_message(events) == {
        "content": content,
        "reasoning_content": thought,
        "arguments": arguments,
    }
    assert (whole.content or "", whole.reasoning_content or "") == (content, thought)
    assert whole.tool_calls is not None
    assert whole.tool_calls[0].function.arguments == arguments
