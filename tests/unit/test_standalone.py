"""How the standalone app begins, and how it starts itself once more."""

import sys
from pathlib import Path

import pytest

from mlx_gui.core.program import own_command, standalone_folder, why_not_started
from mlx_gui.standalone import command_line, environment_before


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
    assert why_not_started() == ""
    monkeypatch.setattr(sys, "executable", str(tmp_path / "mlx-gui"))
    assert "moved or removed" in why_not_started()


def test_a_standalone_app_starts_itself_and_a_package_its_module(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    assert own_command("start") == [sys.executable, "-P", "-m", "mlx_gui", "start"]
    assert standalone_folder() is None
    monkeypatch.setattr(sys, "frozen", True, raising=False)
    monkeypatch.setattr(sys, "_MEIPASS", "/app/_internal", raising=False)
    assert own_command("start") == [sys.executable, "start"]
    assert standalone_folder() == Path("/app/_internal")
