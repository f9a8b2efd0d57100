"""The fake engine's script in a loop of calls and results."""

import json
from typing import Any

import pytest

from mlx_gui.core.generation import (
    CallStarted,
    Delta,
    GenerateRequest,
    Message,
    TextPart,
    ToolCallPart,
    ToolResultPart,
)
from mlx_gui.core.model import LoadSpec, TextOptions
from mlx_gui.engines.base import PreparedRequest
from mlx_gui.engines.fake.text import create

CALL = {"name": "look", "arguments": {"at": "sky"}}
NEXT = {"name": "look", "arguments": {"at": "sea"}}


def user(text: str) -> Message:
    return Message("user", (TextPart(text),))


def scripted(**fields: Any) -> Message:
    return user(json.dumps({"fake": fields}))


CALLED = Message("assistant", (ToolCallPart("1", "look", '{"at": "sky"}'),))
RESULT = Message("tool", (ToolResultPart("1", "blue"),))
ROUND = (CALLED, RESULT)
LOOP = scripted(calls=[CALL], then={"calls": [NEXT], "then": {"text": "Seen."}})


def answer(*messages: Message) -> tuple[str, list[str]]:
    """The text of the answer, and the names of its calls."""
    engine = create()
    engine.load(
        LoadSpec(
            "fake/echo", "", "text", "mlx_gui.engines.fake.text", "stored", TextOptions(4096, 1)
        ),
        lambda _stage, _done, _total: None,
    )
    prepared = engine.prepare("id", GenerateRequest(messages=messages))
    assert isinstance(prepared, PreparedRequest)
    engine.admit(prepared)
    text, calls = "", list[str]()
    while engine.busy():
        for stepped in engine.step():
            for event in stepped.events:
                if isinstance(event, CallStarted):
                    calls.append(event.name)
                elif isinstance(event, Delta):
                    text += event.text
    return text, calls


@pytest.mark.parametrize(
    ("behind", "expected"),
    [
        ((), ('{"at":"sky"}', ["look"])),
        (ROUND, ('{"at":"sea"}', ["look"])),
        ((CALLED, RESULT, RESULT), ('{"at":"sea"}', ["look"])),
        (ROUND * 2, ("Seen.", [])),
        (ROUND * 5, ("Seen.", [])),
        ((*ROUND, user("<reminder>Go on.</reminder>")), ('{"at":"sea"}', ["look"])),
        ((*ROUND * 2, Message("assistant", ()), user("Thanks")), ("You said: Thanks", [])),
        ((*ROUND, scripted(text="Another.")), ("Another.", [])),
    ],
)
def test_behind_the_results_of_calls_the_script_goes_on(
    behind: tuple[Message, ...], expected: tuple[str, list[str]]
) -> None:
    assert answer(LOOP, *behind) == expected


def test_without_a_next_script_the_calls_are_made_again() -> None:
    once = scripted(calls=[CALL])
    assert answer(once, *ROUND) == ('{"at":"sky"}', ["look"])
    assert answer(once, *ROUND, user("Thanks")) == ("You said: Thanks", [])


@pytest.mark.parametrize("around", ["{}", 'Do this:\n"{}"', "{} And be quick. {{}}"])
def test_a_script_may_stand_among_other_text(around: str) -> None:
    assert answer(user(around.replace("{}", '{"fake": {"text": "Yes."}}', 1))) == ("Yes.", [])


@pytest.mark.parametrize(
    "text", ['{"fake": {"txet": 1}}', '{"fake": {"text": ', '{"fake":' * 10_000, '{"fake": []}']
)
def test_what_is_no_script_is_echoed(text: str) -> None:
    assert answer(user(text)) == (f"You said: {text}", [])
