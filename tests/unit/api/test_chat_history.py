"""The history of a chat: what is shown in it, and which call a tool's result answers."""

import pytest

from mlx_gui.api.notices import Notices
from mlx_gui.api.openai.chat.translate import to_core
from mlx_gui.api.openai.chat.wire import ChatCompletionRequest
from mlx_gui.api.pictures import Shown
from mlx_gui.core.errors import CapabilityMissing, InvalidRequest
from mlx_gui.core.generation import GenerateRequest, TextPart, ToolResultPart

HI = {"role": "user", "content": "Hi"}


def request_of(*turns: object) -> ChatCompletionRequest:
    return ChatCompletionRequest.model_validate({"model": "org/one", "messages": list(turns)})


def core_of(*turns: object) -> GenerateRequest:
    return to_core(request_of(*turns), shown=Shown(Notices()))


SHOWN = [
    ("image_url", "picture"),
    ("input_audio", "sound"),
    ("video_url", "video"),
    ("file", "file"),
]


@pytest.mark.parametrize(("kind", "what"), SHOWN)
def test_what_the_user_shows_now_is_a_missing_capability(kind: str, what: str) -> None:
    parts = [{"type": "text", "text": "What is this?"}, {"type": kind, kind: {"url": "http://a/b"}}]
    turn = {"role": "user", "content": parts}

    for turns in (
        [turn],
        [turn, {"role": "user", "content": "Please."}],
        [turn, {"role": "assistant", "content": "It is"}],
    ):
        with pytest.raises(CapabilityMissing, match=kind) as refusal:
            core_of(*turns)

        assert what in refusal.value.message
        assert refusal.value.details["param"] == "messages[0].content[1]"


@pytest.mark.parametrize(("kind", "what"), SHOWN)
@pytest.mark.parametrize("role", ["system", "developer", "user", "assistant", "tool", "function"])
def test_what_is_shown_elsewhere_is_replaced_by_a_text(kind: str, what: str, role: str) -> None:
    parts = [{"type": "text", "text": "Look: "}, {"type": kind, kind: {"url": "http://a/b"}}]
    turn = {"role": role, "content": parts, "tool_call_id": "c1", "name": "f"}
    notices = Notices()
    body = request_of(turn, {"role": "assistant", "content": "Yes."}, HI)

    core = to_core(body, shown=Shown(notices))

    said = "".join(
        part.text for part in core.messages[0].parts if isinstance(part, TextPart | ToolResultPart)
    )
    assert said.startswith("Look: [There is ")
    assert what in said
    assert notices.left_out() == [kind]


def test_parts_of_the_future_are_left_out_of_the_history() -> None:
    notices = Notices()
    parts = [{"type": "smell", "text": "A rose.", "refusal": 5}, {"type": "taste", "text": 5}]
    body = request_of({"role": "assistant", "content": parts}, HI)

    core = to_core(body, shown=Shown(notices))

    assert core.messages[0].text() == "A rose."
    assert notices.left_out() == ["smell", "taste"]


def called(*calls: tuple[str, str]) -> dict[str, object]:
    function = {"arguments": "{}"}
    return {
        "role": "assistant",
        "tool_calls": [{"id": id, "function": {**function, "name": name}} for id, name in calls],
    }


def results(*turns: dict[str, object]) -> list[tuple[str, str | None]]:
    """Which call each result answers, and the tool's name."""
    messages = core_of(HI, *turns).messages
    parts = [part for message in messages for part in message.parts]
    return [(part.call_id, part.name) for part in parts if isinstance(part, ToolResultPart)]


TOLD = {"role": "tool", "content": "2"}


def test_a_result_without_an_id_answers_the_call_of_its_name() -> None:
    calls = called(("a", "add"), ("b", "sub"), ("c", "add"))

    assert results(
        calls, {**TOLD, "name": "sub"}, {**TOLD, "name": "add"}, {**TOLD, "name": "add"}
    ) == [("b", "sub"), ("a", "add"), ("c", "add")]


def test_a_result_with_neither_answers_the_first_open_call() -> None:
    calls = called(("a", "add"), ("b", "sub"), ("c", "mul"))

    assert results(calls, {**TOLD, "tool_call_id": "b"}, TOLD, {**TOLD, "tool_call_id": ""}) == [
        ("b", "sub"),
        ("a", "add"),
        ("c", "mul"),
    ]


def test_a_name_that_was_not_called_answers_the_first_open_call() -> None:
    assert results(called(("a", "add")), {**TOLD, "name": "fly"}) == [("a", "fly")]


def test_results_belong_to_the_turn_before_them() -> None:
    talk = (called(("a", "add")), TOLD, called(("b", "add")), TOLD)

    assert results(*talk) == [("a", "add"), ("b", "add")]


def test_a_result_of_the_older_form_is_matched_like_the_others() -> None:
    older = {"role": "function", "content": "2"}
    calls = called(("a", "add"), ("b", "sub"))

    assert results(calls, {**older, "name": "sub"}, {**older, "name": "add"}) == [
        ("b", "sub"),
        ("a", "add"),
    ]


def test_an_id_or_a_name_that_history_does_not_know_is_taken() -> None:
    assert results({**TOLD, "tool_call_id": "gone"}) == [("gone", None)]
    assert results({**TOLD, "name": "add"}) == [("call_0", "add")]


def test_a_result_that_answers_nothing_is_refused() -> None:
    for turns in ([TOLD], [called(("a", "add")), TOLD, TOLD]):
        with pytest.raises(InvalidRequest, match="is required for the role tool") as refusal:
            results(*turns)

        assert refusal.value.details["param"] == f"messages[{len(turns)}].tool_call_id"
