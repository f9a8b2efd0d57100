"""The window itself, by WebKit of GTK on an X server without a screen."""

import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("Xlib", reason="the extra tray is not installed")

from Xlib import X, Xatom
from Xlib.display import Display

from mlx_gui.desktop.pane import TITLE
from mlx_gui.desktop.place import PLACE_FILE, read_place
from tests.desktop.desks import desk
from tests.desktop.gtk import NotInstalled, module_path
from tests.desktop.x11 import x_server
from tests.support.server import PROGRAM, Server, running_server
from tests.support.waiting import wait_until

DEADLINE_S = 120.0

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
    with x_server("1300x900") as name:
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
    with (tmp_path / "window.out").open("wb") as output:
        window = subprocess.Popen(asked, env=environment, stdout=output, stderr=output)
    try:
        wait_until(lambda: screen.window(), what="the window", deadline_s=DEADLINE_S)
        # A page that is not there yet has the colours of its paper.
        wait_until(lambda: screen.colours() > 50, what="the page", deadline_s=DEADLINE_S)
        before = screen.picture()
        second = [*asked, "mlx-gui://models/install/org/name"]
        assert subprocess.run(second, env=environment, check=False).returncode == 0
        wait_until(lambda: screen.picture() != before, what="the other page")
        assert window.poll() is None
        window.send_signal(signal.SIGTERM)
        assert window.wait(DEADLINE_S) == 0
    finally:
        window.kill()
        window.wait()
        print((tmp_path / "window.out").read_text())
    assert (server.data_dir / PLACE_FILE).is_file()
    assert read_place(server.data_dir).width > 0
    # It has joined the server, so the server stays.
    assert server.process.poll() is None


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
