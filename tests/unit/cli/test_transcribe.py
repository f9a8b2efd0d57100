"""What the terminal says of how much of a sound is heard."""

from pathlib import Path

import pytest
import typer

from mlx_gui.cli.transcribe import HowFar, files_in
from mlx_gui.client.sound import HeardPiece
from mlx_gui.core.errors import NotFound


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


def test_each_sound_has_a_file_of_its_own_in_the_folder(tmp_path: Path) -> None:
    one, two, out = Path("a/one.wav"), Path("a/two.mp3"), tmp_path / "texts"

    assert files_in(out, [one, two, one], "srt") == {one: out / "one.srt", two: out / "two.srt"}
    assert out.is_dir()


def test_two_sounds_that_would_be_one_file_are_refused(tmp_path: Path) -> None:
    with pytest.raises(typer.BadParameter, match=r"a/one\.wav and b/one\.mp3 would both"):
        files_in(tmp_path, [Path("a/one.wav"), Path("b/one.mp3")], "text")


def test_a_folder_that_cannot_be_made_is_refused(tmp_path: Path) -> None:
    (tmp_path / "texts").touch()

    with pytest.raises(NotFound, match="texts cannot be written: File exists"):
        files_in(tmp_path / "texts", [Path("one.wav")], "text")
