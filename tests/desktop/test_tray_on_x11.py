"""The tray where the desktop is plain X: an icon, and a click on it."""

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

pytest.importorskip("Xlib", reason="the extra tray is not installed")

from tests.desktop.desks import begun, desk
from tests.desktop.x11 import SystemTray, x_server
from tests.support.nursery import ran
from tests.support.server import Server, running_server
from tests.support.waiting import wait_until

DEADLINE_S = 60.0

pytestmark = [
    pytest.mark.skipif(sys.platform != "linux", reason="there is no X"),
    pytest.mark.skipif(shutil.which("Xvfb") is None, reason="Xvfb is missing"),
]


@pytest.fixture(scope="module")
def display() -> Iterator[str]:
    with x_server() as name:
        yield name


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    with running_server(tmp_path) as server:
        yield server


def test_the_icon_is_drawn_and_a_click_opens_the_interface(
    display: str, server: Server, tmp_path: Path
) -> None:
    environment = desk(tmp_path, DISPLAY=display)
    data_dir = str(server.data_dir)
    refused = ran("tray", "--data-dir", data_dir, environment=environment)
    assert refused.returncode == 1
    assert f"the X display {display} has no system tray" in refused.stderr

    system_tray = SystemTray(display)
    tray = begun(environment, server.data_dir)
    try:
        wait_until(system_tray.take_in, what="the icon", deadline_s=DEADLINE_S)
        wait_until(lambda: len(system_tray.colours()) > 1, what="the drawing")
        visited = tmp_path / "visited"

        def visits() -> bool:
            # Before the tray knows the server a click means nothing.
            system_tray.click()
            return visited.exists() and visited.read_text() != ""

        wait_until(visits, what="the visit", deadline_s=DEADLINE_S)
        assert visited.read_text() == f"{server.address}/admin/\n"
        tray.terminate()
        assert tray.wait(DEADLINE_S) == 0
    finally:
        tray.kill()
        system_tray.close()
        print((tmp_path / "tray.out").read_text())
    # It has joined the server, so the server stays.
    assert server.process.poll() is None


@pytest.mark.parametrize("count", [100, pytest.param(5000, marks=pytest.mark.soak)])
def test_whatever_is_shown_while_somebody_clicks_neither_waits_for_the_other(
    display: str, count: int
) -> None:
    system_tray = SystemTray(display)
    shown = subprocess.Popen(
        [sys.executable, "-m", "tests.desktop.many_looks", str(count)],
        env=os.environ | {"DISPLAY": display},
    )
    try:

        def ended() -> bool:
            system_tray.take_in()
            system_tray.click()
            return shown.poll() is not None

        wait_until(ended, what="the last look", deadline_s=DEADLINE_S + count / 50)
        assert shown.returncode == 0
    finally:
        shown.kill()
        shown.wait()
        system_tray.close()
