"""Stop strings in text that comes in pieces."""

from hypothesis import given
from hypothesis import strategies as st

from mlx_gui.engines.text.stops import StopText

# Two letters make overlaps and repetitions likely.
texts = st.text("ab", max_size=30)
stop_lists = st.lists(st.text("ab", max_size=5), max_size=4)


def run(stops: list[str], pieces: list[str]) -> tuple[str, bool]:
    """All that is shown of `pieces`, and whether a stop string ended them."""
    stream, shown = StopText(stops), ""
    for piece in pieces:
        text, stopped = stream.feed(piece)
        shown += text
        if stopped:
            assert stream.flush() == ""
            return shown, True
    return shown + stream.flush(), False


@given(st.lists(texts, max_size=8), stop_lists)
def test_it_makes_no_difference_how_text_is_cut(pieces: list[str], stops: list[str]) -> None:
    whole = "".join(pieces)
    assert run(stops, pieces) == run(stops, [whole]) == run(stops, list(whole))


@given(texts, stop_lists)
def test_no_stop_string_is_ever_shown(text: str, stops: list[str]) -> None:
    shown, stopped = run(stops, list(text))
    real = [stop for stop in stops if stop]
    assert text.startswith(shown)
    assert not any(stop in shown for stop in real)
    assert stopped == any(stop in text for stop in real)
    if stopped:
        assert any(text[len(shown) :].startswith(stop) for stop in real)
    else:
        assert shown == text


@given(texts, stop_lists)
def test_only_what_may_become_a_stop_string_is_held_back(text: str, stops: list[str]) -> None:
    stream, shown = StopText(stops), ""
    for character in text:
        piece, stopped = stream.feed(character)
        shown += piece
        if stopped:
            return
    held = text[len(shown) :]
    assert not held or any(stop.startswith(held) for stop in stops)


def test_of_two_stop_strings_the_one_completed_first_counts() -> None:
    assert run(["abcd", "bc"], ["xabcd"]) == ("xa", True)
