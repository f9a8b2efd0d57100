"""Messages as templates take them, and which of them go when there are too many."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlx_gui.core.errors import CapabilityMissing
from mlx_gui.core.generation import (
    ImagePart,
    Message,
    ReasoningPart,
    Role,
    TextPart,
    Tool,
    ToolCallPart,
    ToolResultPart,
)
from mlx_gui.engines.text.messages import (
    normal_turns,
    plain_turns,
    repaired_turns,
    turns_with_prompt,
    turns_without_calls,
)
from mlx_gui.engines.text.truncation import without_oldest
from mlx_gui.parsers.tagged import GENERIC

FORM = GENERIC.form
CALL = ToolCallPart("c1", "get_weather", '{"city": "Paris"}')
RESULT = Message("tool", (ToolResultPart("c1", "sunny"),))
PLAIN_CALL = {
    "id": "c1",
    "type": "function",
    "function": {"name": "get_weather", "arguments": {"city": "Paris"}},
}


def says(role: Role, text: str) -> Message:
    return Message(role, (TextPart(text),))


def test_a_turn_has_all_that_templates_ask_for() -> None:
    assistant = Message(
        "assistant", (ReasoningPart("Hm."), TextPart("I "), TextPart("look."), CALL)
    )
    assert plain_turns([Message("user", (TextPart("Hi"),), name="ada"), assistant, RESULT]) == [
        {"role": "user", "content": "Hi", "name": "ada"},
        {
            "role": "assistant",
            "content": "I look.",
            "reasoning_content": "Hm.",
            "thinking": "Hm.",
            "tool_calls": [PLAIN_CALL],
        },
        {"role": "tool", "content": "sunny", "tool_call_id": "c1", "name": "get_weather"},
    ]


def test_results_beside_text_are_turns_before_it() -> None:
    both = (ToolResultPart("c1", "a"), ToolResultPart("c2", "b", name="f"), TextPart("And?"))
    assert plain_turns([Message("user", both)]) == [
        {"role": "tool", "content": "a", "tool_call_id": "c1"},
        {"role": "tool", "content": "b", "tool_call_id": "c2", "name": "f"},
        {"role": "user", "content": "And?"},
    ]
    assert plain_turns([Message("assistant", ())]) == [{"role": "assistant", "content": ""}]


@pytest.mark.parametrize("written", ["[1]", '{"city": "Par', "5", '"Paris"', "[" * 100_000])
def test_arguments_that_are_no_object_are_shown_as_they_were_written(written: str) -> None:
    (turn,) = plain_turns([Message("assistant", (ToolCallPart("c", "f", written),))])
    (call,) = turn["tool_calls"]
    assert call["function"] == {"name": "f", "arguments": {"INVALID_JSON": written}}


@pytest.mark.parametrize("written", ["", " ", "{}", "null"])
def test_a_call_may_be_without_arguments(written: str) -> None:
    (turn,) = plain_turns([Message("assistant", (ToolCallPart("c", "f", written),))])
    assert turn["tool_calls"][0]["function"]["arguments"] == {}


def test_pictures_are_refused() -> None:
    with pytest.raises(CapabilityMissing, match="picture"):
        plain_turns([Message("user", (ImagePart(b""),))])


def test_the_normal_form_alternates_and_loses_no_text() -> None:
    turns = plain_turns(
        [
            says("system", "Be brief."),
            says("system", "Be kind."),
            says("user", "a"),
            says("user", "b"),
            says("assistant", "c"),
            says("assistant", "d"),
            RESULT,
            says("system", "Stop."),
        ]
    )
    assert normal_turns(turns) == [
        {"role": "user", "content": "Be brief.\n\nBe kind.\n\na\n\nb"},
        {"role": "assistant", "content": "c\n\nd"},
        {"role": "user", "content": "sunny\n\nStop.", "tool_call_id": "c1"},
    ]


USER, ASSISTANT = ({"role": role, "content": role[0]} for role in ("user", "assistant"))
NOBODY = {"role": "user", "content": ""}


@pytest.mark.parametrize(
    ("roles", "normal"),
    [
        (["assistant"], [NOBODY, ASSISTANT]),
        (["assistant", "user"], [NOBODY, ASSISTANT, USER]),
        (["assistant", "assistant"], [NOBODY, {**ASSISTANT, "content": "a\n\na"}]),
        (["system", "assistant"], [{**NOBODY, "content": "s"}, ASSISTANT]),
        (
            ["system", "system", "assistant", "system"],
            [{**NOBODY, "content": "s\n\ns"}, ASSISTANT, {**NOBODY, "content": "s"}],
        ),
        (["tool", "assistant"], [{**NOBODY, "content": "t"}, ASSISTANT]),
        (["user", "system", "assistant"], [USER, ASSISTANT, {**NOBODY, "content": "s"}]),
        (["user", "assistant"], [USER, ASSISTANT]),
        ([], []),
    ],
)
def test_in_the_normal_form_the_user_comes_first(
    roles: list[Role], normal: list[dict[str, str]]
) -> None:
    assert normal_turns([{"role": role, "content": role[0]} for role in roles]) == normal


def test_calls_of_turns_that_become_one_are_all_kept() -> None:
    other = ToolCallPart("c2", "get_time", "{}")
    turns = plain_turns([Message("assistant", (CALL,)), Message("assistant", (other,))])
    _, joined = normal_turns(turns)
    assert [call["id"] for call in joined["tool_calls"]] == ["c1", "c2"]


def test_what_a_template_refuses_is_changed_more_and_more() -> None:
    turns = plain_turns([Message("assistant", (CALL,)), RESULT, says("assistant", "Sunny.")])
    short, apart, normal, text = repaired_turns(turns, FORM)
    id = short[0]["tool_calls"][0]["id"]
    assert (len(id), id.isalnum(), short[1]["tool_call_id"]) == (9, True, id)
    assert short == next(iter(repaired_turns(short, FORM)))
    assert [turn["role"] for turn in apart] == ["user", "assistant", "tool", "assistant"]
    assert apart[1:] == short
    assert [turn["role"] for turn in normal] == ["user", "assistant", "user", "assistant"]
    assert normal[1]["tool_calls"] == short[0]["tool_calls"]
    assert [turn["role"] for turn in text] == ["user", "assistant", "user", "assistant"]
    assert not any("tool_calls" in turn for turn in text)


@given(
    st.lists(st.sampled_from(["system", "user", "assistant", "tool", "call"]), max_size=9),
)
def test_the_last_shape_alternates_and_no_shape_loses_text(roles: list[str]) -> None:
    turns = [
        {"role": "assistant", "content": f"<{place}>", "tool_calls": [PLAIN_CALL]}
        if role == "call"
        else {"role": role, "content": f"<{place}>"}
        for place, role in enumerate(roles)
    ]
    *others, last = repaired_turns(turns, FORM)
    assert all(turn["role"] == ("user", "assistant")[place % 2] for place, turn in enumerate(last))
    for shape in (*others, last):
        told = "".join(turn["content"] for turn in shape)
        assert all(f"<{place}>" in told for place in range(len(roles)))


def test_calls_and_results_can_be_text() -> None:
    turns = plain_turns([Message("assistant", (TextPart("I look."), CALL)), RESULT])
    assert turns_without_calls(turns, FORM) == [
        {
            "role": "assistant",
            "content": "I look.\n<tool_call>\n"
            '{"name": "get_weather", "arguments": {"city": "Paris"}}\n</tool_call>',
        },
        {"role": "user", "content": "<tool_response>\nsunny\n</tool_response>"},
    ]


def test_tools_can_be_told_by_the_system() -> None:
    tool = Tool("get_weather", "The weather.")
    hello = {"role": "user", "content": "Hi"}
    told = turns_with_prompt([hello], [tool], FORM)
    assert told[1:] == [hello]
    assert told[0]["role"] == "system"
    assert '"name": "get_weather"' in told[0]["content"]
    assert '{"name": "<name>", "arguments": <arguments>}' in told[0]["content"]
    system = {"role": "system", "content": "Be brief."}
    joined = turns_with_prompt([system, hello], [tool], FORM)
    assert joined == [
        {"role": "system", "content": f"Be brief.\n\n{told[0]['content']}"},
        hello,
    ]


CONVERSATION = (
    says("system", "s"),
    says("user", "1"),
    Message("assistant", (CALL,)),
    RESULT,
    says("assistant", "a1"),
    says("user", "2"),
    says("assistant", "a2"),
    says("system", "s2"),
    says("user", "3"),
)


@pytest.mark.parametrize(("room", "kept"), [(9, 9), (8, 5), (5, 5), (4, 3), (3, 3), (1, 3)])
def test_the_oldest_turns_go_whole_and_the_system_and_the_last_turn_stay(
    room: int, kept: int
) -> None:
    left = without_oldest(CONVERSATION, lambda messages: len(messages) <= room)
    assert len(left) == kept
    assert left[0] == CONVERSATION[0]
    assert list(left[-2:]) == list(CONVERSATION[-2:])


@given(
    st.lists(st.sampled_from(["system", "user", "assistant", "tool"]), max_size=12),
    st.integers(0, 12),
)
def test_any_conversation_can_be_cut(roles: list[Role], room: int) -> None:
    messages = [Message(role, (TextPart(str(index)),)) for index, role in enumerate(roles)]
    left = without_oldest(messages, lambda kept: len(kept) <= room)
    places = [messages.index(message) for message in left]
    assert places == sorted(places)
    assert messages[-1:] == list(left[-1:]) or messages[-1].role == "system"
    assert [m for m in messages if m.role == "system"] == [m for m in left if m.role == "system"]
    if len(messages) <= room:
        assert list(left) == messages
