"""The window without a display: what it shows of a real server, and what it leaves behind."""

import os
import queue
import signal
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from mlx_gui.client import serving
from mlx_gui.config import SettingSources, read_sources
from mlx_gui.desktop.handing_over import hand_over
from mlx_gui.desktop.place import Place, read_place
from mlx_gui.desktop.signals import ended_by_signals
from mlx_gui.desktop.window import Window
from tests.support.server import running_server

DEADLINE_S = 90.0
MOVED = Place(width=800, height=600, x=5, y=6)


class Drawn:
    """A pane that tells a queue what it is told; `play` is what somebody does in front of it."""

    def __init__(self, play: Callable[["Drawn"], None]) -> None:
        self.told: queue.Queue[tuple[str, str]] = queue.Queue()
        self._play = play

    def run(self, place: Place, begun: Callable[[], None]) -> Place:
        self.told.put(("run", str(place.width)))
        begun()
        self._play(self)
        return MOVED

    def open(self, address: str) -> None:
        self.told.put(("open", address))

    def say(self, text: str) -> None:
        self.told.put(("say", text))

    def to_front(self) -> None:
        self.told.put(("front", ""))

    def close(self) -> None:
        self.told.put(("close", ""))

    def until(self, what: str) -> str:
        """What it was told of `what`, the next time."""
        while True:
            told, text = self.told.get(timeout=DEADLINE_S)
            if told == what:
                return text


def sources_of(data_dir: Path) -> SettingSources:
    return read_sources(flags={"data_dir": str(data_dir)})


def test_it_shows_the_page_that_is_asked_for_and_what_later_starts_hand_over(
    tmp_path: Path,
) -> None:
    with running_server(tmp_path) as server:

        def play(pane: Drawn) -> None:
            assert pane.until("say") == "The server is starting."
            assert pane.until("open") == f"{server.address}/admin/settings"
            hand_over(server.data_dir, "mlx-gui://models/install/org/name")
            pane.until("front")
            assert pane.until("open") == f"{server.address}/admin/discover/org/name"
            # It only comes to the front.
            hand_over(server.data_dir, "mlx-gui://models/install/../..")
            pane.until("front")
            hand_over(server.data_dir, "")
            pane.until("front")
            assert pane.told.empty()

        sources = sources_of(server.data_dir)
        Window(sources, Drawn(play), page="settings", with_tray=False).run()
        assert read_place(server.data_dir) == MOVED
        # It has joined the server, so the server stays.
        assert server.process.poll() is None


@pytest.fixture
def own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> SettingSources:
    """A data directory without a server; one that is started there has the fake engine."""
    monkeypatch.setenv("MLX_GUI_ENGINE", "fake")
    monkeypatch.setenv("MLX_GUI_PORT", "0")
    monkeypatch.setenv("MLX_GUI_WARM_SPARE", "off")
    monkeypatch.delenv("DBUS_SESSION_BUS_ADDRESS", raising=False)
    return sources_of(tmp_path / "data")


@pytest.mark.skipif(
    sys.platform != "linux" or Path(f"/run/user/{os.getuid()}/bus").exists(),
    reason="the tray would find its place",
)
def test_a_server_of_its_own_ends_with_it(own: SettingSources) -> None:
    def play(pane: Drawn) -> None:
        # Where a tray has no place the window starts the server by itself.
        assert pane.until("open").endswith("/admin/")
        assert serving(own.data_dir) is not None

    own.data_dir.mkdir()
    Window(own, Drawn(play), page="", with_tray=True).run()
    assert serving(own.data_dir) is None


def test_a_server_that_cannot_start_is_told_about(
    own: SettingSources, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MLX_GUI_PORT", "nonsense")

    def play(pane: Drawn) -> None:
        pane.until("say")
        assert "MLX_GUI_PORT" in pane.until("say")

    own.data_dir.mkdir()
    Window(own, Drawn(play), page="", with_tray=False).run()


def test_a_signal_ends_it_once() -> None:
    ends: queue.Queue[str] = queue.Queue()
    before = signal.getsignal(signal.SIGTERM)
    with ended_by_signals(lambda: ends.put("ended")):
        signal.raise_signal(signal.SIGTERM)
        signal.raise_signal(signal.SIGINT)
        assert ends.get(timeout=DEADLINE_S) == "ended"
    assert ends.empty()
    assert signal.getsignal(signal.SIGTERM) == before
    with ended_by_signals(lambda: ends.put("ended")):
        pass
    assert ends.empty()
