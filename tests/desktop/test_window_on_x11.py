"""The window itself, by WebKit of GTK on an X server without a screen."""

import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import sync_playwright

pytest.importorskip("Xlib", reason="the extra tray is not installed")

from Xlib import X, Xatom
from Xlib.display import Display
from Xlib.ext import xtest

from mlx_gui.desktop.pane import TITLE
from mlx_gui.desktop.place import PLACE_FILE, Place, read_place, write_place
from tests.browser.chromium import launch
from tests.desktop.desks import desk
from tests.desktop.gtk import NotInstalled, module_path
from tests.desktop.x11 import x_server
from tests.support.server import PROGRAM, Server, running_server
from tests.support.waiting import wait_until

DEADLINE_S = 120.0
MODEL = "agent"
"""The first in the list, where no other row above it can be of another height in a browser."""
ROOMY = Place(width=1440, height=900)
"""So wide that nothing in a row is broken into lines."""

pytestmark = [
    pytest.mark.soak,
    pytest.mark.skipif(sys.platform != "linux", reason="there is no X"),
    pytest.mark.skipif(shutil.which("Xvfb") is None, reason="Xvfb is missing"),
]


class Screen:
    """What is on the display."""

    def __init__(self, name: str) -> None:
        self._display = Display(name)

    def close(self) -> None:
        self._display.close()

    def window(self) -> Any:
        """Ours; None while it is not there."""
        for each in self._display.screen().root.query_tree().children:
            named = each.get_full_property(Xatom.WM_NAME, X.AnyPropertyType)
            if named is not None and named.value == TITLE.encode():
                return each
        return None

    def picture(self) -> bytes:
        root = self._display.screen().root
        size = root.get_geometry()
        return root.get_image(0, 0, size.width, size.height, X.ZPixmap, 0xFFFFFFFF).data

    def size(self) -> tuple[int, int]:
        """Of our window, which has no frame: nobody manages it."""
        found = self.window().get_geometry()
        return found.width, found.height

    def click(self, x: int, y: int) -> None:
        """There in our window."""
        corner = self.window().translate_coords(self._display.screen().root, 0, 0)
        xtest.fake_input(self._display, X.MotionNotify, x=x - corner.x, y=y - corner.y)
        for kind in (X.ButtonPress, X.ButtonRelease):
            xtest.fake_input(self._display, kind, 1)
        self._display.sync()

    def colours(self) -> int:
        picture = self.picture()
        return len({picture[at : at + 3] for at in range(0, len(picture), 4)})


@pytest.fixture(scope="module")
def modules() -> str:
    try:
        return module_path("pywebview>=6.2")
    except NotInstalled as reason:
        pytest.skip(f"no window can be here: {reason}")


@pytest.fixture(scope="module")
def display() -> Iterator[str]:
    with x_server("1600x1000") as name:
        yield name


@pytest.fixture
def screen(display: str) -> Iterator[Screen]:
    screen = Screen(display)
    yield screen
    screen.close()


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    with running_server(tmp_path, settings={"hub_endpoint": "http://127.0.0.1:9"}) as server:
        yield server


def test_the_interface_is_shown_and_a_second_start_leads_it_to_a_link(
    modules: str, display: str, screen: Screen, server: Server, tmp_path: Path
) -> None:
    environment = desk(tmp_path, DISPLAY=display)
    environment["PYTHONPATH"] = f"{environment.get('PYTHONPATH', '')}:{modules}"
    asked = [sys.executable, *PROGRAM, "app", "--no-tray", "--data-dir", str(server.data_dir)]
    with shown_window(asked, environment, screen, tmp_path) as window:
        before = screen.picture()
        second = [*asked, "mlx-gui://models/install/org/name"]
        assert subprocess.run(second, env=environment, check=False).returncode == 0
        wait_until(lambda: screen.picture() != before, what="the other page")
        assert window.poll() is None
    assert (server.data_dir / PLACE_FILE).is_file()
    assert read_place(server.data_dir).width > 0
    # It has joined the server, so the server stays.
    assert server.process.poll() is None


def test_a_model_is_loaded_by_a_click_in_it(
    modules: str, display: str, screen: Screen, server: Server, tmp_path: Path
) -> None:
    environment = desk(tmp_path, DISPLAY=display)
    environment["PYTHONPATH"] = f"{environment.get('PYTHONPATH', '')}:{modules}"
    write_place(server.data_dir, ROOMY)
    asked = [sys.executable, *PROGRAM, "app", "--no-tray", "--data-dir", str(server.data_dir)]
    with shown_window(asked, environment, screen, tmp_path), server.client() as client:

        def loaded() -> list[str]:
            models = client.get("/v1/manager/status").raise_for_status().json()["loaded_models"]
            return [each["id"] for each in models if each["state"] == "ready"]

        assert loaded() == []
        screen.click(*middle_of_button(server, f"Load {MODEL}", screen.size()))
        wait_until(lambda: loaded() == [f"fake/{MODEL}"], what="the model", deadline_s=DEADLINE_S)


@contextmanager
def shown_window(
    asked: list[str], environment: dict[str, str], screen: Screen, folder: Path
) -> Iterator[subprocess.Popen[bytes]]:
    """The window, once it shows its page; it must end well."""
    with (folder / "window.out").open("wb") as output:
        window = subprocess.Popen(asked, env=environment, stdout=output, stderr=output)
    try:
        wait_until(lambda: screen.window(), what="the window", deadline_s=DEADLINE_S)
        # A page that is not there yet has the colours of its paper.
        wait_until(lambda: screen.colours() > 50, what="the page", deadline_s=DEADLINE_S)
        yield window
        window.send_signal(signal.SIGTERM)
        assert window.wait(DEADLINE_S) == 0
    finally:
        window.kill()
        window.wait()
        print((folder / "window.out").read_text())


def middle_of_button(server: Server, name: str, size: tuple[int, int]) -> tuple[int, int]:
    """Where a browser of that size shows it, and so, to a few pixels, the window as well."""
    with sync_playwright() as playwright, launch(playwright) as browser:
        viewport = {"width": size[0], "height": size[1]}
        page = browser.new_page(viewport=viewport, locale="en-US")
        page.goto(f"{server.address}/admin/")
        button = page.get_by_role("button", name=name, exact=True)
        button.wait_for(timeout=DEADLINE_S * 1000)
        box = button.bounding_box()
        assert box is not None
        return round(box["x"] + box["width"] / 2), round(box["y"] + box["height"] / 2)


def test_where_nothing_can_show_it_one_sentence_says_why(display: str, tmp_path: Path) -> None:
    environment = desk(tmp_path)
    asked = [sys.executable, *PROGRAM, "app", "--data-dir", str(tmp_path / "data")]

    def refused(**variables: str) -> str:
        run = subprocess.run(
            asked, env=environment | variables, capture_output=True, text=True, check=False
        )
        assert run.returncode == 1
        return run.stderr

    assert "There is no display" in refused()
    assert "The display :98765 does not answer." in refused(DISPLAY=":98765")
    if find_spec("webview") is None:
        assert "The window needs webview." in refused(DISPLAY=display)
