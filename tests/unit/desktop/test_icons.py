"""The icon of the tray."""

from typing import get_args

import pytest

from mlx_gui.desktop.icons import BLACK, GREY, drawn
from mlx_gui.desktop.menu_model import IconState


@pytest.mark.parametrize("pixels", [16, 22, 44])
def test_every_state_looks_different_at_every_size(pixels: int) -> None:
    icons = {drawn(state, pixels=pixels, colour=GREY) for state in get_args(IconState)}
    assert len(icons) == len(get_args(IconState))
    assert {len(icon) for icon in icons} == {pixels * pixels * 4}


def test_an_icon_is_of_one_colour_on_nothing() -> None:
    icon = drawn("warning", pixels=44, colour=BLACK)
    colours = {icon[at : at + 4] for at in range(0, len(icon), 4)}
    assert colours == {bytes(4), bytes((*BLACK, 255))}
