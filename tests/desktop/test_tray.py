"""The tray on a session bus: what it shows of a real server, and what a click does."""

import os
import shutil
import signal
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

pytest.importorskip("dbus_fast", reason="the extra tray is not installed")

from mlx_gui.client import Client, read_runtime
from mlx_gui.desktop.tray import LOCK_FILE
from tests.desktop.desks import begun, desk
from tests.desktop.host import DEADLINE_S, Host, session_bus
from tests.support.nursery import Forked, ran
from tests.support.server import Server, first_start, running_server
from tests.support.waiting import wait_until

pytestmark = [
    pytest.mark.skipif(sys.platform != "linux", reason="there is no session bus"),
    pytest.mark.skipif(shutil.which("dbus-daemon") is None, reason="dbus-daemon is missing"),
]


@pytest.fixture(scope="module")
def bus() -> Iterator[str]:
    with session_bus() as address:
        yield address


@pytest.fixture
def host(bus: str) -> Iterator[Host]:
    made = Host(bus)
    yield made
    made.close()


@pytest.fixture
def environment(bus: str, tmp_path: Path) -> dict[str, str]:
    return desk(tmp_path, DBUS_SESSION_BUS_ADDRESS=bus)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with running_server(tmp_path_factory.mktemp("server")) as server:
        yield server


@pytest.fixture
def tray(host: Host, environment: dict[str, str], server: Server) -> Iterator[Forked]:
    """One that has joined the server and shows it."""
    process = begun(environment, server.data_dir)
    try:
        host.wait_for("Running on")
        yield process
    finally:
        process.terminate()
        process.wait(DEADLINE_S)
        print((server.data_dir.parent / "tray.out").read_text())


def test_a_model_is_loaded_followed_and_unloaded_from_the_menu(
    tray: Forked, host: Host, server: Server
) -> None:
    with Client.from_runtime(server.data_dir) as client:
        model = client.models().data[0].id
        host.click(f"{model}, ")
        host.wait_for(f"● {model}")
        wait_until(lambda: client.model(model).state == "ready", what="the model")

        host.click("Keep in memory -")
        wait_until(lambda: client.manager().loaded_models[0].pinned, what="the pin")
        host.click("Keep in memory ✓")
        wait_until(lambda: not client.manager().loaded_models[0].pinned, what="no pin")

        unload = host.wait_for("Unload")
        client.unload(model)
        wait_until(lambda: f"● {model}" not in " ".join(host.labels()), what="the menu to follow")
        # Who still has the menu of before gets what he has read there, and no other entry.
        host.click_id(unload)
        host.wait_for("Load")
        assert client.model(model).state == "not_loaded"


def test_address_page_and_settings_are_a_click_away(
    tray: Forked, host: Host, server: Server, environment: dict[str, str]
) -> None:
    copied, visited = Path(environment["COPIED"]), Path(environment["VISITED"])
    host.click(f"Copy {server.address}/v1")
    wait_until(lambda: copied.exists() and copied.read_text(), what="the copy")
    assert copied.read_text() == f"{server.address}/v1"

    host.click("Discover…")
    wait_until(lambda: visited.exists() and visited.read_text(), what="the visit")
    assert visited.read_text().strip() == f"{server.address}/admin/discover"

    with Client.from_runtime(server.data_dir) as client:
        for wanted, shown in ((False, "✓"), (True, "-")):
            host.click(f"Downloads {shown}")
            wait_until(
                lambda wanted=wanted: (
                    client.settings().settings["notify_downloads"].value is wanted
                ),
                what="the setting",
            )


def test_the_icon_is_on_the_bus_and_comes_back_with_its_host(tray: Forked, host: Host) -> None:
    assert host.property("Id") == "mlx-gui"
    sizes = [(width, height, len(pixels)) for width, height, pixels in host.property("IconPixmap")]
    assert sizes == [(22, 22, 22 * 22 * 4), (44, 44, 44 * 44 * 4)]
    assert "in memory" in host.property("Title")
    host.hide()
    host.wait_for("Running on")


def test_what_does_not_work_is_told(tray: Forked, host: Host, server: Server) -> None:
    with Client.from_runtime(server.data_dir) as client:
        failing = next(each.id for each in client.models().data if "broken" in each.id)
    host.click(f"{failing}, ")
    wait_until(
        lambda: any(title == "That did not work" for title, _ in host.notifications.told),
        what="the notice",
    )
    host.wait_for(f"⚠ {failing}")
    assert host.property("Status") == "NeedsAttention"


def test_a_model_that_makes_room_is_told(tray: Forked, host: Host, server: Server) -> None:
    with Client.from_runtime(server.data_dir) as client:
        client.change_settings({"max_loaded_models": 1})
        try:
            client.load("fake/echo")
            client.load("fake/agent")
        finally:
            client.change_settings({"max_loaded_models": None})
            client.unload_all(force=True)
    wait_until(
        lambda: any(
            title == "A model was unloaded" and "fake/echo was unloaded" in text
            for title, text in host.notifications.told
        ),
        what="the notice",
    )


def test_a_second_tray_is_refused(
    tray: Forked, server: Server, environment: dict[str, str]
) -> None:
    refused = ran("tray", "--data-dir", str(server.data_dir), environment=environment)
    assert refused.returncode == 1
    assert refused.stderr == f"Error: A tray of {server.data_dir} is there already.\n"


@pytest.fixture
def own_data_dir(tmp_path: Path) -> Path:
    """One whose server runs only where a tray starts it."""
    return Path(shutil.copytree(first_start(), tmp_path / "data"))


@pytest.fixture
def alone(environment: dict[str, str], own_data_dir: Path) -> Iterator[Forked]:
    """A tray that finds no server there."""
    settings = {"MLX_GUI_ENGINE": "fake", "MLX_GUI_PORT": "0", "MLX_GUI_WARM_SPARE": "off"}
    tray = begun(environment | settings, own_data_dir)
    try:
        yield tray
    finally:
        tray.kill()
        print((own_data_dir.parent / "tray.out").read_text())


def test_a_server_that_the_tray_starts_comes_back_after_kill_9_and_ends_with_it(
    alone: Forked, host: Host, own_data_dir: Path
) -> None:
    host.wait_for("Running on")
    first = read_runtime(own_data_dir)
    assert first is not None
    os.kill(first.pid, signal.SIGKILL)
    wait_until(
        lambda: (
            ("The server has ended", "The server has ended unexpectedly.")
            in host.notifications.told
            or any("code -9" in text for _, text in host.notifications.told)
        ),
        what="the notice",
    )

    def back() -> bool:
        now = read_runtime(own_data_dir)
        return now is not None and now.pid != first.pid

    wait_until(back, what="the server to be back", deadline_s=DEADLINE_S)
    host.wait_for("Running on")
    host.click("Stop the server too")
    assert alone.wait(DEADLINE_S) == 0
    assert read_runtime(own_data_dir) is None
    assert (own_data_dir / "logs" / "server.log").exists()


@pytest.mark.soak
def test_the_server_is_stopped_and_started_from_the_menu(
    alone: Forked, host: Host, own_data_dir: Path
) -> None:
    host.wait_for("Running on")
    host.click("Stop the server")
    host.wait_for("The server does not run")
    assert read_runtime(own_data_dir) is None
    host.click("Start the server")
    host.wait_for("Running on")
    host.click("Stop the server too")
    assert alone.wait(DEADLINE_S) == 0


@pytest.mark.parametrize(
    ("variables", "said"),
    [
        ({"DBUS_SESSION_BUS_ADDRESS": ""}, "there is no session bus"),
        ({"DBUS_SESSION_BUS_ADDRESS": "unix:path=/nowhere"}, "does not answer"),
        ({"DBUS_SESSION_BUS_ADDRESS": "nonsense"}, "does not answer"),
        ({}, "has no host of trays"),
        ({"DISPLAY": ":4242"}, "the X display :4242 does not answer"),
    ],
)
def test_without_a_place_for_it_one_sentence_says_so(
    environment: dict[str, str], tmp_path: Path, variables: dict[str, str], said: str
) -> None:
    ended = ran("tray", "--data-dir", str(tmp_path), environment=environment | variables)
    assert ended.returncode == 1
    assert said in ended.stderr
    assert ended.stderr.count("\n") == 1


def test_a_data_directory_that_cannot_be_written_is_named(
    host: Host, environment: dict[str, str], tmp_path: Path
) -> None:
    (tmp_path / LOCK_FILE).mkdir()
    ended = ran("tray", "--data-dir", str(tmp_path), environment=environment)
    assert ended.returncode == 1
    assert f"{tmp_path / LOCK_FILE} cannot be written: Is a directory." in ended.stderr
    assert ended.stderr.count("\n") == 1
