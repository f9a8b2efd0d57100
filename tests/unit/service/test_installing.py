"""Services are installed whole or not at all, against systems that answer as told.

The systems themselves are borders: programs on the PATH stand for them.
"""

import os
import plistlib
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from subprocess import CompletedProcess

import msgspec
import pytest

from mlx_gui.core.runtime import RUNTIME_FILE, Runtime
from mlx_gui.service.description import Description
from mlx_gui.service.errors import ServiceError
from mlx_gui.service.installing import install, restart, start, status, stop, uninstall
from mlx_gui.service.launchd import Launchd
from tests.support.nursery import ran

SYSTEMCTL = """#!/bin/sh
echo "systemctl $*" >>"$STATE/calls"
case "$*" in
    --version) echo "systemd 252 (252.1-1)" ;;
    "--user show-environment")
        [ ! -e "$STATE/no-bus" ] ||
            { echo "Failed to connect to bus: No medium found" >&2; exit 1; } ;;
    "--user enable --now "* | "--user start "*)
        [ ! -e "$STATE/masked" ] || { echo "Failed to enable unit: Unit is masked." >&2; exit 1; }
        touch "$STATE/running" ;;
    "--user disable --now "* | "--user stop "*) rm -f "$STATE/running" ;;
    "--user show "*)
        if [ -e "$STATE/running" ]; then
            printf 'ActiveState=active\\nMainPID=41\\nNRestarts=2\\nUnitFileState=enabled\\n'
        else
            printf 'ActiveState=failed\\nMainPID=0\\nResult=exit-code\\nExecMainStatus=2\\n'
        fi ;;
esac
"""
LAUNCHCTL = """#!/bin/sh
echo "launchctl $*" >>"$STATE/calls"
case "$1 $2" in
    print\\ gui/*/*)
        [ -e "$STATE/running" ] || { echo "Could not find service" >&2; exit 113; }
        [ ! -e "$STATE/ending" ] || rm "$STATE/ending" "$STATE/running"
        printf '\\tstate = running\\n\\tpid = 41\\n\\tlast exit code = 0\\n' ;;
    print\\ gui/*)
        [ ! -e "$STATE/no-bus" ] || { echo "Could not find domain" >&2; exit 112; } ;;
    bootstrap\\ *)
        [ ! -e "$STATE/masked" ] || { echo "Bootstrap failed: 5: Input/output error" >&2; exit 5; }
        touch "$STATE/running" ;;
    bootout\\ *) touch "$STATE/ending"; exit 36 ;;
esac
"""

Command = Callable[..., CompletedProcess[str]]


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    programs = tmp_path / "bin"
    programs.mkdir()
    for name, script in (("systemctl", SYSTEMCTL), ("launchctl", LAUNCHCTL)):
        (programs / name).write_text(script)
        (programs / name).chmod(0o755)
    (tmp_path / "state").mkdir()
    home = tmp_path / "home"
    home.mkdir()
    for name in ("XDG_CONFIG_HOME", "XDG_DATA_HOME", "SUDO_USER"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.setenv("STATE", str(tmp_path / "state"))
    monkeypatch.setenv("PATH", f"{programs}{os.pathsep}{os.environ['PATH']}")
    return home


@pytest.fixture
def service(home: Path) -> Command:
    """`mlx-gui service`, on a data directory beside the home unless variables say otherwise."""
    data_dir = {"MLX_GUI_DATA_DIR": str(home.parent / "data")}

    def run(*arguments: str, **variables: str) -> CompletedProcess[str]:
        return ran("service", *arguments, environment={**os.environ, **data_dir, **variables})

    return run


def note(home: Path, name: str) -> None:
    (home.parent / "state" / name).touch()


def everything(home: Path) -> list[str]:
    return sorted(str(each.relative_to(home)) for each in home.rglob("*"))


def calls(home: Path) -> list[str]:
    return (home.parent / "state" / "calls").read_text().splitlines()


UNIT = ".config/systemd/user/mlx-gui.service"
linux = pytest.mark.skipif(os.uname().sysname != "Linux", reason="the command asks launchd here")


@linux
def test_a_service_comes_and_goes_without_a_trace(home: Path, service: Command) -> None:
    assert service("status").returncode == 1

    assert service("install").returncode == 0
    assert (home / UNIT).stat().st_mode & 0o777 == 0o600
    shown = service("status")
    assert (shown.returncode, "runs, process 41" in shown.stdout) == (0, True)

    assert service("stop").returncode == 0
    shown = service("status")
    assert (shown.returncode, "exit-code, code 2" in shown.stdout) == (1, True)

    assert service("start").returncode == 0
    assert service("restart").returncode == 0
    assert service("uninstall").returncode == 0
    assert everything(home) == []
    assert calls(home).count("systemctl --user disable --now mlx-gui.service") == 1


@linux
def test_only_folders_that_are_empty_go_with_the_service(home: Path, service: Command) -> None:
    (home / ".config/systemd").mkdir(parents=True)
    (home / ".config/other").touch()
    service("install")
    service("uninstall")
    assert everything(home) == [".config", ".config/other"]


@linux
def test_the_second_installation_is_refused_and_changes_nothing(
    home: Path, service: Command
) -> None:
    service("install")
    before = (home / UNIT).read_bytes()

    again = service("install", MLX_GUI_PORT="9999")

    assert (again.returncode, again.stdout) == (1, "")
    assert "installed already" in again.stderr
    assert (home / UNIT).read_bytes() == before


@linux
@pytest.mark.parametrize("action", ["uninstall", "start", "stop", "restart", "logs"])
def test_what_is_not_installed_can_be_asked_nothing(service: Command, action: str) -> None:
    refused = service(action)
    assert refused.returncode == 1
    assert refused.stderr.startswith("Error: No service is installed.")


@linux
def test_a_unit_that_somebody_else_wrote_is_left_alone(home: Path, service: Command) -> None:
    (home / UNIT).parent.mkdir(parents=True)
    (home / UNIT).write_text("[Service]\nExecStart=/bin/true\n")
    for action in ("install", "uninstall"):
        refused = service(action)
        assert (refused.returncode, "not " in refused.stderr) == (1, True)
    assert (home / UNIT).read_text() == "[Service]\nExecStart=/bin/true\n"


@linux
def test_without_a_session_of_the_user_nothing_is_installed(home: Path, service: Command) -> None:
    note(home, "no-bus")
    refused = service("install")
    assert refused.returncode == 1
    assert "for this user now: Failed to connect to bus: No medium found. Log in" in refused.stderr
    assert everything(home) == []


@linux
def test_without_systemd_nothing_is_installed(home: Path, service: Command) -> None:
    refused = service("install", PATH="/nonexistent")
    assert refused.returncode == 1
    assert "There is no systemd on this machine" in refused.stderr
    assert everything(home) == []


@linux
def test_a_service_that_does_not_start_is_taken_back(home: Path, service: Command) -> None:
    note(home, "masked")
    refused = service("install")
    assert refused.returncode == 1
    assert "Failed to enable unit: Unit is masked." in refused.stderr
    assert everything(home) == []


@linux
def test_a_home_that_cannot_be_written_is_named(home: Path, service: Command) -> None:
    (home / ".config").mkdir()
    (home / ".config" / "systemd").write_text("no folder")
    refused = service("install")
    assert refused.returncode == 1
    assert f"{home / UNIT} cannot be " in refused.stderr
    assert everything(home) == [".config", ".config/systemd"]


@linux
@pytest.mark.skipif(os.geteuid() != 0, reason="only root can be somebody else")
def test_nobody_gets_the_service_of_somebody_else(home: Path, service: Command) -> None:
    refused = service("install", SUDO_USER="ann")
    assert (refused.returncode, "not of ann" in refused.stderr) == (1, True)
    os.chown(home, 4242, 4242)
    refused = service("install")
    assert (refused.returncode, "another user (id 4242" in refused.stderr) == (1, True)
    assert everything(home) == []


@linux
def test_a_server_that_runs_already_is_named(home: Path, service: Command) -> None:
    data = home.parent / "data"
    data.mkdir()
    with answering(b'{"status": "ok", "version": "1"}') as address:
        left = Runtime(address, os.getpid(), "1", "token")
        (data / RUNTIME_FILE).write_bytes(msgspec.json.encode(left))
        refused = service("install")
    assert (refused.returncode, f"A server runs on {data} already" in refused.stderr) == (1, True)
    assert everything(home) == []
    # What one has left behind that was killed keeps nobody from anything.
    assert service("install").returncode == 0


@contextmanager
def answering(body: bytes) -> Iterator[str]:
    """The address of what answers so to everything."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:
            return

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


@linux
def test_the_file_is_printed_and_nothing_done(home: Path, service: Command) -> None:
    shown = service("install", "--print", MLX_GUI_HUB_TOKEN="hf_secret")
    assert shown.returncode == 0
    assert "ExecStart=" in shown.stdout
    assert "hf_secret" not in shown.stdout
    assert "MLX_GUI_HUB_TOKEN is secret" in shown.stderr
    assert everything(home) == []
    assert service("status", "--print").returncode == 2


def described(home: Path) -> Description:
    data_dir = home.parent / "data"
    return Description(
        ("/bin/sh", "start"), {"MLX_GUI_DATA_DIR": str(data_dir)}, data_dir, 60, left_out=()
    )


def test_an_agent_comes_and_goes_without_a_trace(home: Path) -> None:
    system = Launchd(home)
    install(system, described(home))

    assert plistlib.loads(system.file.read_bytes())["ProgramArguments"] == ["/bin/sh", "start"]
    found = status(system)
    assert found.running
    assert found.activity is not None
    assert (found.activity.pid, found.activity.at_login) == (41, True)

    stop(system)
    assert not status(system).running
    start(system)
    restart(system)
    assert status(system).running
    uninstall(system)
    assert everything(home) == []


def test_an_agent_that_does_not_start_is_taken_back(home: Path) -> None:
    note(home, "masked")
    with pytest.raises(ServiceError, match="Bootstrap failed: 5: Input/output error"):
        install(Launchd(home), described(home))
    assert everything(home) == []


def test_an_agent_needs_a_session_on_the_screen(home: Path) -> None:
    note(home, "no-bus")
    with pytest.raises(ServiceError, match="no session of this user on the screen"):
        install(Launchd(home), described(home))
    assert everything(home) == []
