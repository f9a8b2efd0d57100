"""The comparison of pictures of the interface."""

from pathlib import Path

import pytest
from PIL import Image

from scripts.visual.comparing import changes, compared

WHITE, GREY = (255, 255, 255), (254, 255, 255)


def picture(width: int = 10, height: int = 10) -> Image.Image:
    return Image.new("RGB", (width, height), WHITE)


def test_equal_pictures_do_not_differ() -> None:
    assert compared(picture(), picture()).share == 0


@pytest.mark.parametrize("mode", ["RGB", "RGBA"])
def test_a_pixel_that_is_other_by_the_least_is_counted_and_marked(mode: str) -> None:
    after = picture()
    after.putpixel((3, 4), GREY)
    found = compared(picture(), after.convert(mode))
    assert found.share == 0.01
    assert found.picture.getpixel((3, 4)) == (220, 0, 60)
    assert found.picture.getpixel((4, 3)) == WHITE


def test_what_one_of_them_alone_is_large_enough_for_differs() -> None:
    found = compared(picture(10, 10), picture(10, 20))
    assert found.share == 0.5
    assert found.picture.size == (10, 20)
    assert compared(picture(10, 20), picture(20, 10)).share == 0.5


def test_pictures_are_compared_by_name_and_one_that_is_missing_is_told(tmp_path: Path) -> None:
    before, after = tmp_path / "before", tmp_path / "after"
    for folder in (before, after):
        folder.mkdir()
        picture().save(folder / "same.png")
    picture().save(before / "gone.png")
    picture().save(after / "new.png")
    found = dict(changes(before, after))
    assert list(found) == ["gone.png", "new.png", "same.png"]
    assert found["gone.png"] is None
    assert found["new.png"] is None
    assert found["same.png"] is not None
    assert found["same.png"].share == 0
