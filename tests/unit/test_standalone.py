"""How the standalone app begins, and how it starts itself once more."""

import asyncio
import sys
from pathlib import Path

import pytest

from mlx_gui.config import resolve
from mlx_gui.control.jobs.bandwidth import Bandwidth
from mlx_gui.control.jobs.fetching import fetch
from mlx_gui.control.workers.errands import run_errand
from mlx_gui.control.workers.process import WorkerSettings
from mlx_gui.core import program
from mlx_gui.core.errors import InternalError, ProgramGone
from mlx_gui.core.fetching import FetchOrder
from mlx_gui.core.program import explained, own_command, standalone_folder
from mlx_gui.standalone import command_line, environment_before, importing


def test_what_the_boot_loader_sets_reaches_no_program_of_the_system() -> None:
    told = {"PATH": "/usr/bin", "_PYI_ARCHIVE_FILE": "/app/mlx-gui", "LD_LIBRARY_PATH": "/app/in"}
    assert environment_before(told) == {"PATH": "/usr/bin"}
    former = told | {"LD_LIBRARY_PATH": "/app/in:/opt", "LD_LIBRARY_PATH_ORIG": "/opt"}
    assert environment_before(former) == {"PATH": "/usr/bin", "LD_LIBRARY_PATH": "/opt"}


@pytest.mark.parametrize(
    ("arguments", "opened", "asked"),
    [
        ([], False, []),
        ([], True, ["app"]),
        (["mlx-gui://chat"], False, ["app", "mlx-gui://chat"]),
        (["MLX-GUI:oddly"], True, ["app", "MLX-GUI:oddly"]),
        (["start", "--port", "0"], True, ["start", "--port", "0"]),
        (["--role", "worker"], True, ["--role", "worker"]),
    ],
)
def test_a_click_or_a_link_is_the_window_and_a_command_stays_what_it_is(
    arguments: list[str], opened: bool, asked: list[str]
) -> None:
    assert command_line(arguments, opened=opened) == asked


def test_one_that_is_moved_while_it_runs_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fault = InternalError("It failed.")
    assert explained(fault) is fault
    monkeypatch.setattr(sys, "executable", str(tmp_path / "mlx-gui"))
    gone = explained(fault)
    assert isinstance(gone, ProgramGone)
    assert gone.message == (
        f"It failed. {tmp_path / 'mlx-gui'} was moved or removed since the server started."
    )


def test_one_in_whose_place_another_version_lies_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    newer = tmp_path / "program.py"
    newer.write_text("")
    monkeypatch.setattr(program, "__file__", str(newer))
    gone = explained(InternalError("It failed."))
    assert (
        gone.message
        == f"It failed. {newer} was replaced since the server started, as by an upgrade."
    )
    assert gone.hint == "Start mlx-gui again."


def test_a_module_that_is_not_there_any_more_ends_no_server() -> None:
    def extract(name: str) -> str:
        if name == "gone":
            raise SystemExit("ERROR: it appears to have been moved")
        return name

    assert importing(extract)("here") == "here"
    with pytest.raises(ImportError, match="appears to have been moved"):
        importing(extract)("gone")


def test_children_that_cannot_be_started_for_that_say_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = WorkerSettings.of(resolve(flags={"data_dir": str(tmp_path)}))
    order = FetchOrder((), "http://127.0.0.1:9", None, str(tmp_path / "lock"), "agent", 1, 0, 1, 1)
    monkeypatch.setattr(sys, "executable", str(tmp_path / "mlx-gui"))
    with pytest.raises(ProgramGone, match="The errand probe could not be started"):
        asyncio.run(run_errand("probe", {}, settings))
    with pytest.raises(ProgramGone, match="The process that fetches cannot be started"):
        asyncio.run(fetch(order, {}, lambda state: None, Bandwidth(lambda: 0)))


def test_a_standalone_app_starts_itself_and_a_package_its_module(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    assert own_command("start") == [sys.executable, "-P", "-m", "mlx_gui", "start"]
    assert standalone_folder() is None
    monkeypatch.setattr(sys, "frozen", True, raising=False)
    monkeypatch.setattr(sys, "_MEIPASS", "/app/_internal", raising=False)
    assert own_command("start") == [sys.executable, "start"]
    assert standalone_folder() == Path("/app/_internal")
