"""Every component in every state, on a page that only builds for those who work on it have."""

import mimetypes
import os
import subprocess
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import BrowserContext, Route, expect

from mlx_gui.web.static_files import ADMIN_HEADERS, STATIC_FOLDER
from tests.browser.axe import axe
from tests.browser.conftest import OpenContext, Theme
from tests.support.server import Server

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def kit(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The interface, built with the pages for those who work on it."""
    folder = tmp_path_factory.mktemp("kit")
    command = ["scripts/npm.sh", "run", "build", "--", "--outDir", str(folder)]
    subprocess.run(command, cwd=ROOT, env={**os.environ, "MLX_GUI_DEV": "1"}, check=True)
    return folder


def test_a_build_for_users_has_no_kit() -> None:
    assert not list(STATIC_FOLDER.glob("assets/KitPage*"))


@pytest.mark.soak
@pytest.mark.parametrize("width", [1440, 390])
@pytest.mark.parametrize("theme", ["light", "dark"])
def test_axe_finds_nothing_in_any_state_of_any_component(
    open_context: OpenContext, server: Server, kit: Path, axe_source: str, width: int, theme: Theme
) -> None:
    context = open_context(width=width, theme=theme)
    serve(context, kit)
    page = context.new_page()
    page.goto(server.address + "/admin/_kit")
    expect(page.get_by_role("heading", level=1, name="Kit")).to_be_visible()
    assert axe(page, axe_source) == []
    page.get_by_role("button", name="At the end").click()
    assert axe(page, axe_source) == []
    page.keyboard.press("Escape")
    for name in ("Plain", "With an undo", "Failure"):
        page.get_by_role("button", name=name, exact=True).click()
    assert axe(page, axe_source) == []
    for name in ("Dialog", "Drawer"):
        page.get_by_role("button", name=name, exact=True).click()
        assert axe(page, axe_source) == []
        page.get_by_role("button", name="Close it").click()
    page.set_viewport_size({"width": 320, "height": 900})
    assert page.evaluate("document.documentElement.scrollWidth") == 320


def serve(context: BrowserContext, folder: Path) -> None:
    """Have the files of `folder` stand where the server has its own."""

    def answer(route: Route) -> None:
        file = folder / urlsplit(route.request.url).path.removeprefix("/admin/")
        found = file if file.is_file() else folder / "index.html"
        kind = mimetypes.guess_type(found)[0] or "application/octet-stream"
        headers = {**ADMIN_HEADERS, "content-type": kind}
        route.fulfill(body=found.read_bytes(), headers=headers)

    context.route("**/admin/**", answer)
