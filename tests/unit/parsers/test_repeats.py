"""Calls that an answer has made already, in every dialect."""

import pytest

from mlx_gui.parsers.base import Call, CallArguments, CallBegan, Piece, Text
from mlx_gui.parsers.repeats import Repeats
from tests.unit.parsers.answers import PARIS, TEMPLATES, called, dialect, parser, read

TOKYO = Call("get_weather", '{"city": "Tokyo"}')
PARIS_AND_MORE = Call("get_weather", '{"city": "Paris", "day": 1}')
MORE_AND_PARIS = Call("get_weather", '{"day": 1.0, "city": "Paris"}')
OTHER = Call("add", '{"city": "Paris"}')


def told(calls: list[Call], size: int = 1) -> tuple[list[list[Piece]], bool]:
    """What comes out at each piece of so many characters, up to the end."""
    repeats = Repeats()
    steps: list[list[Piece]] = []
    for call in calls:
        texts = [call.arguments[at : at + size] for at in range(0, len(call.arguments), size)]
        for piece in (CallBegan(call.name), *map(CallArguments, texts)):
            if not repeats.over:
                steps.append(repeats.pass_on(piece))
    return steps, repeats.over


def joined(steps: list[list[Piece]]) -> list[Call]:
    calls: list[Call] = []
    for piece in (piece for step in steps for piece in step):
        match piece:
            case CallBegan(name):
                calls.append(Call(name, ""))
            case CallArguments(text):
                calls[-1] = Call(calls[-1].name, calls[-1].arguments + text)
            case _:
                raise AssertionError(piece)
    return calls


@pytest.mark.parametrize("size", [1, 3, 100])
@pytest.mark.parametrize(
    ("calls", "shown", "over"),
    [
        ([PARIS, PARIS, TOKYO], [PARIS], True),
        ([PARIS, TOKYO, PARIS], [PARIS, TOKYO], True),
        ([PARIS, TOKYO, TOKYO], [PARIS, TOKYO], True),
        ([PARIS, OTHER, TOKYO], [PARIS, OTHER, TOKYO], False),
        ([PARIS, PARIS_AND_MORE], [PARIS, PARIS_AND_MORE], False),
        ([PARIS_AND_MORE, PARIS, PARIS], [PARIS_AND_MORE, PARIS], True),
        ([PARIS_AND_MORE, MORE_AND_PARIS, TOKYO], [PARIS_AND_MORE, MORE_AND_PARIS], True),
        ([Call("now", "{}"), Call("now", "{}")], [Call("now", "{}")], True),
        ([PARIS, Call("get_weather", '{"city": "Par')], [PARIS], False),
    ],
)
def test_an_answer_is_over_when_a_call_is_made_again(
    calls: list[Call], shown: list[Call], over: bool, size: int
) -> None:
    steps, ended = told(calls, size)
    assert (joined(steps), ended) == (shown, over)


def test_a_call_that_differs_streams_from_where_it_does() -> None:
    steps, _ = told([PARIS, TOKYO])
    second = steps[1 + len(PARIS.arguments) :]
    differs = TOKYO.arguments.index("T")
    assert second[: 1 + differs] == [[]] * (1 + differs)
    assert second[1 + differs] == [
        CallBegan("get_weather"),
        CallArguments(TOKYO.arguments[: differs + 1]),
    ]
    assert all(len(step) == 1 for step in second[2 + differs :])


def test_text_is_left_alone() -> None:
    assert Repeats().pass_on(Text("content", "{}")) == [Text("content", "{}")]


@pytest.mark.parametrize("name", [name for name in TEMPLATES if dialect(name).form.several])
def test_what_was_written_again_is_not_told_in_any_dialect(name: str) -> None:
    repeats = Repeats()
    pieces = read(parser(dialect(name), constrained=True), dialect(name).form.render([PARIS] * 3))
    assert pieces == called(PARIS, PARIS, PARIS)
    kept = [kept for piece in pieces if not repeats.over for kept in repeats.pass_on(piece)]
    assert kept == called(PARIS)
    assert repeats.over
