"""Every component in every state, on a page that only builds for those who work on it have."""

from pathlib import Path

import pytest
from playwright.sync_api import expect

from mlx_gui.web.static_files import STATIC_FOLDER
from tests.browser.axe import axe
from tests.browser.conftest import OpenContext
from tests.browser.kit import kit_of, serve
from tests.browser.pages import Theme
from tests.support.server import Server

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def kit() -> Path:
    return kit_of(ROOT / "web")


def test_a_build_for_users_has_no_kit() -> None:
    assert not list(STATIC_FOLDER.glob("assets/KitPage*"))


@pytest.mark.parametrize(
    ("width", "theme"),
    [
        (768, "dark"),
        pytest.param(1440, "light", marks=pytest.mark.soak),
        pytest.param(1440, "dark", marks=pytest.mark.soak),
        pytest.param(768, "light", marks=pytest.mark.soak),
        pytest.param(390, "light", marks=pytest.mark.soak),
        pytest.param(390, "dark", marks=pytest.mark.soak),
    ],
)
def test_axe_finds_nothing_in_any_state_of_any_component(
    open_context: OpenContext, server: Server, kit: Path, axe_source: str, width: int, theme: Theme
) -> None:
    context = open_context(width=width, theme=theme)
    serve(context, kit)
    page = context.new_page()
    page.goto(server.address + "/admin/_kit")
    expect(page.get_by_role("heading", level=1, name="Kit")).to_be_visible()
    # What can be open together is looked at together: each look is dear.
    # By the keyboard: on a phone the messages lie over the buttons.
    for name in ("Plain", "With an undo", "Failure", "At the end"):
        page.get_by_role("button", name=name, exact=True).press("Enter")
    expect(page.get_by_text("What it says.")).to_be_visible()
    assert axe(page, axe_source) == []
    page.keyboard.press("Escape")
    for name in ("Dialog", "Drawer"):
        page.get_by_role("button", name=name, exact=True).press("Enter")
        assert axe(page, axe_source, within="dialog[open]") == []
        page.get_by_role("button", name="Close it").press("Enter")
    page.set_viewport_size({"width": 320, "height": 900})
    assert page.evaluate("document.documentElement.scrollWidth") == 320
