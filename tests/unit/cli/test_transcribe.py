"""What the terminal says of how much of a sound is heard."""

from mlx_gui.cli.transcribe import HowFar
from mlx_gui.client.sound import HeardPiece


def test_it_is_told_how_much_is_heard_of_how_much() -> None:
    begun = HowFar().after(HeardPiece("", 0.0, 3661.5))
    further = begun.after(HeardPiece("Good day.", 90.0)).after(HeardPiece(" It rains."))

    assert begun.words == "0:00 of 61:01 heard"
    assert (further.heard_s, further.total_s) == (90.0, 3661.5)
    assert further.words == "1:30 of 61:01 heard"


def test_without_a_length_only_what_is_heard_is_told() -> None:
    assert HowFar().after(HeardPiece("Good day.", 59.9)).words == "0:59 heard"


def test_what_is_longer_than_its_file_says_is_never_heard_beyond_its_end() -> None:
    found = HowFar(total_s=10.0).after(HeardPiece("Good day.", 12.0))

    assert (found.heard_s, found.total_s) == (12.0, 12.0)
