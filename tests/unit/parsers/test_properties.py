"""What holds for any text, in every dialect."""

import json
import re
from collections.abc import Iterable
from functools import reduce

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mlx_gui.parsers.base import Call, CallArguments, CallBegan, Dialect, Piece, Text
from tests.unit.parsers.answers import ADD, PARIS, TEMPLATES, WEATHER, called, dialect, parser, read

# Harmony's headers are markers too, but not of a fixed text.
MARKED = [name for name in TEMPLATES if name != "gpt-oss"]
QUICK = settings(deadline=None, max_examples=40)
NAMES = st.sampled_from([WEATHER.name, ADD.name])
JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**53), 2**53)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner),
    max_leaves=6,
)
OBJECTS = st.dictionaries(st.text(max_size=6), JSON, max_size=3)
CALLS = st.lists(st.builds(Call, NAMES, st.builds(json.dumps, OBJECTS)), min_size=1, max_size=3)
WORDS = (
    *("Hello", " ", "\n", "\n" * 70, "{", "}", '"', "[", "]", ";", "<", "name", '{"a": 1}', "🌸"),
    "x" * 300,
)
BAD_CALLS = ('{"name": "add", "arguments": {"a": "\\ud83d"}}', "add(a={[]: 1})")
"""Read as calls by some dialects, which then write them down in a form of their own."""


@st.composite
def texts(
    draw: st.DrawFn, name: str, *, cut_calls: bool = False, more: tuple[str, ...] = ()
) -> str:
    """Text with many markers, whole, cut and doubled, some good calls, and some that are cut."""
    of = dialect(name)
    markers = [*of.markers, *(of.thought or ())]
    good = of.form.render([PARIS])
    cut = good[: draw(st.integers(0, len(good)))] if cut_calls else good
    pieces = st.sampled_from(
        [*WORDS, *more, *markers, *(marker[:-1] for marker in markers), good, cut]
    )
    return "".join(draw(st.lists(pieces, max_size=12)))


@st.composite
def splits(draw: st.DrawFn, text: str) -> list[str]:
    at = sorted(draw(st.lists(st.integers(0, len(text)), max_size=8)))
    return [text[begin:end] for begin, end in zip([0, *at], [*at, len(text)], strict=True)]


@pytest.mark.parametrize("name", TEMPLATES)
@QUICK
@given(data=st.data())
def test_it_makes_no_difference_how_text_is_cut(name: str, data: st.DataObject) -> None:
    text = data.draw(texts(name, cut_calls=True, more=BAD_CALLS))
    thinking, constrained = data.draw(st.booleans()), data.draw(st.booleans())

    def read_in(texts: Iterable[str]) -> list[Piece]:
        return read(parser(dialect(name), thinking=thinking, constrained=constrained), texts)

    whole = read_in([text])
    assert read_in(text) == whole
    assert read_in(data.draw(splits(text))) == whole
    # A worker could not send it otherwise.
    assert all(piece.text.encode() for piece in whole if not isinstance(piece, CallBegan))


@pytest.mark.parametrize("name", MARKED)
@QUICK
@given(data=st.data())
def test_no_marker_of_a_thought_is_ever_shown(name: str, data: st.DataObject) -> None:
    of = dialect(name)
    stream = parser(of)
    # Not joined: what stands on both sides of a marker may make up another one.
    for piece in [*stream.feed(data.draw(texts(name, cut_calls=True))), *stream.finish()]:
        if isinstance(piece, Text):
            assert not any(marker in piece.text for marker in of.thought or ())


@pytest.mark.parametrize("name", MARKED)
@QUICK
@given(data=st.data())
def test_all_text_comes_out_but_for_markers_and_white_space(name: str, data: st.DataObject) -> None:
    of = dialect(name)
    text = data.draw(texts(name))
    assert listless(unmarked(told(of, text), of)) == listless(unmarked(text, of))


@pytest.mark.parametrize("name", MARKED)
@QUICK
@given(data=st.data())
def test_of_a_call_that_is_cut_off_no_word_is_lost(name: str, data: st.DataObject) -> None:
    of = dialect(name)
    text = data.draw(texts(name, cut_calls=True))
    written, again = (words(unmarked(each, of)) for each in (text, told(of, text)))
    # A call that names no arguments has none, which are written down.
    assert again.replace("arguments", "") == written.replace("arguments", "")
    assert again.count("arguments") >= written.count("arguments")


def listless(text: str) -> str:
    """`text` without the brackets of lists, in which some dialects write their calls."""
    return re.sub(r"[\[\]]", "", text)


def words(text: str) -> str:
    """`text` without the punctuation that closes a call, and without escaped line breaks."""
    return re.sub(r"\\n|[\W_]", "", text)


def told(of: Dialect, text: str) -> str:
    """What an answer is read as, written down again."""
    told, call = "", ""
    for piece in read(parser(of), text):
        match piece:
            case Text(_, shown):
                told += shown
            case CallBegan(called_name):
                call = called_name
            case CallArguments(arguments):
                told += of.form.render([Call(call, arguments)])
    return told


def unmarked(text: str, of: Dialect) -> str:
    """`text` without white space, markers, and what may stand between calls."""
    text = "".join(text.split())
    tags = [*of.calls.starts, *of.calls.heads] if of.calls is not None else []
    punctuation = [*of.markers, *tags, *(of.thought or ()), "```"]
    shorter = ""
    while shorter != text:
        shorter, text = text, reduce(lambda rest, part: rest.replace(part, ""), punctuation, text)
    return text


@pytest.mark.parametrize("name", TEMPLATES)
@QUICK
@given(data=st.data())
def test_any_calls_come_back_as_they_were_written(name: str, data: st.DataObject) -> None:
    of = dialect(name)
    calls = data.draw(CALLS)[: None if of.form.several else 1]
    text = of.form.render(calls)
    assert read(parser(of), data.draw(splits(text))) == called(*calls)
    assert read(parser(of, constrained=True), data.draw(splits(text))) == called(*calls)


@pytest.mark.parametrize("name", TEMPLATES)
@QUICK
@given(text=st.text(max_size=60))
def test_no_text_breaks_a_parser(name: str, text: str) -> None:
    for constrained in (False, True):
        read(parser(dialect(name), constrained=constrained), text)
