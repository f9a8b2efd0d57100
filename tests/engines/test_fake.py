"""The fake engine: its script in a loop of calls and results, and what it sees."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from mlx_gui.core.errors import CapabilityMissing, ContextTooLong, InvalidRequest, UnsupportedMedia
from mlx_gui.core.generation import (
    CallStarted,
    Delta,
    Event,
    GenerateRequest,
    ImagePart,
    Message,
    Prepared,
    TextPart,
    Tokenized,
    TokenizeRequest,
    ToolCallPart,
    ToolResultPart,
    Usage,
)
from mlx_gui.core.model import LoadSpec, TextOptions
from mlx_gui.engines.base import Engine, PreparedRequest
from mlx_gui.engines.fake.text import create
from tests.support.pictures import BLUE, RED, plain
from tests.support.preparing import prepare

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


def loaded(name: str, path: str = "") -> Engine:
    engine = create()
    engine.load(
        LoadSpec(name, path, "text", "mlx_gui.engines.fake.text", "stored", TextOptions(4096, 1)),
        lambda _stage, _done, _total: None,
    )
    return engine


def events_of(engine: Engine, *messages: Message) -> Iterator[Event]:
    """All events of an answer."""
    prepared = prepare(engine, "id", GenerateRequest(messages=messages))
    assert isinstance(prepared, PreparedRequest)
    yield prepared.told
    engine.admit(prepared)
    while engine.busy():
        for stepped in engine.step():
            yield from stepped.events


def answer(*messages: Message) -> tuple[str, list[str]]:
    """The text of the answer, and the names of its calls."""
    text, calls = "", list[str]()
    for event in events_of(loaded("fake/echo"), *messages):
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


def test_what_has_files_holds_as_much_as_they_are_large(tmp_path: Path) -> None:
    (tmp_path / "model.safetensors").write_bytes(bytes(1_000))
    (tmp_path / "config.json").write_text("{}")
    assert loaded("org/name", str(tmp_path)).memory().active_bytes == 1_000
    assert loaded("fake/echo").memory().active_bytes == 50_000_000


def test_pictures_are_told_in_their_order_with_what_they_cost() -> None:
    asked = (
        Message("user", (ImagePart(plain(RED)), TextPart("Which "), ImagePart(plain(BLUE)))),
        Message("assistant", (TextPart("Two."),)),
        Message("user", (TextPart("And?"), ImagePart(plain(RED, (560, 560)), 28 * 28 * 25))),
    )
    engine = loaded("fake/vision")
    told, *events = events_of(engine, *asked)
    engine.close()

    text = "".join(event.text for event in events if isinstance(event, Delta))
    assert text == "I see 64x64 #ff0000, 64x64 #0000ff, 140x140 #ff0000. You said: And?"
    assert told == Prepared(
        2 + 2 + 2 + 6 + 6 + 25, scaled_down=("picture from 560x560 to 140x140",)
    )
    usage = events[-1]
    assert isinstance(usage, Usage)
    assert (usage.images, usage.image_tokens, usage.prompt_tokens) == (3, 37, 43)


def test_the_tokens_of_pictures_are_counted() -> None:
    engine = loaded("fake/vision")
    asked = (Message("user", (TextPart("What is this?"), ImagePart(plain(RED)))),)
    events = prepare(engine, "id", TokenizeRequest(GenerateRequest(messages=asked)))
    engine.close()

    assert isinstance(events, tuple)
    assert isinstance(events[0], Tokenized)
    assert len(events[0].ids) == 3 + 6


@pytest.mark.parametrize(
    ("name", "message", "error"),
    [
        ("fake/echo", Message("user", (ImagePart(plain(RED)),)), CapabilityMissing),
        ("fake/vision", Message("system", (ImagePart(plain(RED)),)), InvalidRequest),
        ("fake/vision", Message("user", (ImagePart(b"%PDF"),)), UnsupportedMedia),
        ("fake/vision", Message("user", (ImagePart(plain(RED, (2000, 2000))),)), ContextTooLong),
    ],
)
def test_what_cannot_be_looked_at_is_refused(
    name: str, message: Message, error: type[Exception]
) -> None:
    engine = loaded(name)

    with pytest.raises(error):
        engine.prepare("id", GenerateRequest(messages=(message,)))

    engine.close()
