"""Every component in every state, on a page that only builds for those who work on it have."""

import mimetypes
import os
import subprocess
from pathlib import Path
from tempfile import TemporaryDirectory
from urllib.parse import urlsplit

import pytest
from filelock import FileLock
from playwright.sync_api import BrowserContext, Route, expect

from hatch_build import sources_digest
from mlx_gui.web.static_files import ADMIN_HEADERS, STATIC_FOLDER
from tests.browser.axe import axe
from tests.browser.conftest import OpenContext
from tests.browser.pages import Theme
from tests.real.packages import cache
from tests.support.server import Server

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def kit() -> Path:
    """The interface, built with the pages for those who work on it; once from the same sources."""
    kept = cache().with_name("kit") / sources_digest(ROOT / "web")
    kept.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(f"{kept}.lock"):
        if not kept.is_dir():
            with TemporaryDirectory(dir=kept.parent) as unfinished:
                folder = Path(unfinished) / "built"
                command = ["scripts/npm.sh", "run", "build", "--", "--outDir", str(folder)]
                environment = {**os.environ, "MLX_GUI_DEV": "1"}
                subprocess.run(command, cwd=ROOT, env=environment, check=True)
                folder.rename(kept)
    return kept


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


def serve(context: BrowserContext, folder: Path) -> None:
    """Have the files of `folder` stand where the server has its own."""

    def answer(route: Route) -> None:
        file = folder / urlsplit(route.request.url).path.removeprefix("/admin/")
        found = file if file.is_file() else folder / "index.html"
        kind = mimetypes.guess_type(found)[0] or "application/octet-stream"
        headers = {**ADMIN_HEADERS, "content-type": kind}
        route.fulfill(body=found.read_bytes(), headers=headers)

    context.route("**/admin/**", answer)
