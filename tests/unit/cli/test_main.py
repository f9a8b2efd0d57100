"""The command line as such: its list, its help, its errors and its exit codes."""

import json
import sys
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from mlx_gui.__main__ import main
from mlx_gui.cli.main import COMMANDS, build_command_line
from mlx_gui.config import Config, resolve
from mlx_gui.server_settings import SERVER_SETTINGS
from mlx_gui.version import __version__

CommandLine = Callable[..., int]


@pytest.fixture
def mlx_gui(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> CommandLine:
    """Runs the program with some arguments, on an empty data directory; gives the exit code."""
    monkeypatch.setenv("MLX_GUI_DATA_DIR", str(tmp_path))
    monkeypatch.setenv("NO_COLOR", "")

    def run(*arguments: str) -> int:
        monkeypatch.setattr(sys, "argv", ["mlx-gui", *arguments])
        with pytest.raises(SystemExit) as caught:
            main()
        assert isinstance(caught.value.code, int | None)
        return caught.value.code or 0

    return run


def test_the_help_names_every_command(
    mlx_gui: CommandLine, capsys: pytest.CaptureFixture[str]
) -> None:
    assert mlx_gui("--help") == 0
    shown = capsys.readouterr().out
    for name, summary in COMMANDS.items():
        assert f"  {name} " in shown
        assert summary in shown


def test_every_module_of_a_command_is_in_the_list() -> None:
    folder = Path(sys.modules[build_command_line.__module__].__file__ or "").parent
    modules = {
        path.stem.rstrip("_")
        for path in folder.glob("*.py")
        if "\ndef command(" in path.read_text()
    }
    assert modules == set(COMMANDS)


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_has_help(
    mlx_gui: CommandLine, capsys: pytest.CaptureFixture[str], name: str
) -> None:
    assert mlx_gui(name, "--help") == 0
    shown = capsys.readouterr().out
    assert shown.startswith(f"Usage: mlx-gui {name} ")
    assert "[[" not in shown.partition("\n")[0]
    assert COMMANDS[name] in shown


def test_without_a_command_the_help_is_shown(
    mlx_gui: CommandLine, capsys: pytest.CaptureFixture[str]
) -> None:
    assert mlx_gui() == 2
    assert "Commands:" in "".join(capsys.readouterr())


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["lst"], "Did you mean 'list'?"),
        (["load"], "Missing argument 'MODEL'"),
        (["list", "--jsn"], "No such option"),
        (["run", "m", "hi", "--seed", "x"], "'--seed': 'x' is not a valid integer.\n"),
        (["search", "--limit", "0"], "'0' is not greater than or equal to 1.\n"),
        (["transcribe", "--format", "xyz", "f"], "'--format': 'xyz' is not one of 'text', 'srt'"),
        (["service", "dance"], "'ACTION': 'dance' is not one of 'install', "),
        (["run", "m", "hi", "--format", "/nowhere"], "/nowhere cannot be read"),
        (["run", "m", "hi", "--raw", "--system", "x"], "--system needs a chat template"),
        (["settings", "m", "temperature"], "NAME=VALUE"),
        (["settings", "m", "=1"], "=1 should be like NAME=VALUE."),
        (["speak", " ", "--output", "speech.mp3"], "The text is empty."),
    ],
)
def test_wrong_usage_ends_with_code_2(
    mlx_gui: CommandLine, capsys: pytest.CaptureFixture[str], arguments: list[str], said: str
) -> None:
    assert mlx_gui(*arguments) == 2
    assert said in capsys.readouterr().err


@pytest.mark.parametrize(
    "arguments",
    [
        ["status"],
        ["list"],
        ["ps"],
        ["load", "m"],
        ["unload", "m"],
        ["settings", "m"],
        ["run", "m", "hi"],
    ],
)
def test_without_a_server_one_line_says_how_to_start_it(
    mlx_gui: CommandLine, capsys: pytest.CaptureFixture[str], arguments: list[str]
) -> None:
    assert mlx_gui(*arguments) == 1
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith("Error: No server runs on ")
    assert err.endswith("Start it with `mlx-gui start`.\n")
    assert err.count("\n") == 1


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["start", "--port", "eighty"], "port on the command line is 'eighty'"),
        (["start", "--keep-alive-s", "-2"], "keep_alive_s on the command line"),
        (["start", "--engine", "steam"], "one of mlx, fake"),
        (["config", "--data-dir", ""], "data_dir on the command line"),
    ],
)
def test_a_setting_out_of_bounds_is_explained_by_its_row(
    mlx_gui: CommandLine, capsys: pytest.CaptureFixture[str], arguments: list[str], said: str
) -> None:
    assert mlx_gui(*arguments) == 2
    err = capsys.readouterr().err
    assert err.startswith("Error: ")
    assert said in err


def test_every_setting_is_a_flag_of_start(
    mlx_gui: CommandLine, capsys: pytest.CaptureFixture[str]
) -> None:
    mlx_gui("start", "--help")
    shown = capsys.readouterr().out
    for row in SERVER_SETTINGS:
        # Everybody on the machine can read what a process was started with.
        assert (f"--{row.name.replace('_', '-')} " in shown) is not row.secret


def test_the_flags_of_start_decide_its_config(
    monkeypatch: pytest.MonkeyPatch, mlx_gui: CommandLine, tmp_path: Path
) -> None:
    served: list[tuple[Config, bool, bool]] = []

    def run(flags: Mapping[str, object], *, starter: bool, open_browser: bool) -> int:
        served.append((resolve(flags=flags), starter, open_browser))
        return 3

    monkeypatch.setattr("mlx_gui.serve.run", run)
    arguments = ["--port", "0", "--offline", "--model-dirs", "/a:/b", "--load-timeout-s", "7"]
    assert mlx_gui("start", *arguments, "--starter", "--open") == 3
    [(config, starter, open_browser)] = served
    assert (config.port, config.offline, config.load_timeout_s) == (0, True, 7.0)
    assert config.model_dirs == (Path("/a"), Path("/b"))
    assert config.data_dir == tmp_path
    assert config.sources["port"] == "command line"
    assert config.sources["data_dir"] == "environment"
    assert config.sources["host"] == "default"
    assert (starter, open_browser) == (True, True)


@pytest.fixture
def fault(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """`mlx-gui config` has a fault."""
    monkeypatch.setattr(sys, "argv", ["mlx-gui", "config", "--data-dir", str(tmp_path)])
    monkeypatch.setattr("mlx_gui.cli.config.shown_value", lambda config, row: 1 / 0)


@pytest.mark.usefixtures("fault")
def test_a_fault_nobody_foresaw_is_one_sentence() -> None:
    with pytest.raises(SystemExit, match=r"unexpected ZeroDivisionError: .* MLX_GUI_LOG_LEVEL"):
        main()


@pytest.mark.usefixtures("fault")
def test_debug_shows_where_the_fault_happened(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLX_GUI_LOG_LEVEL", "debug")
    with pytest.raises(ZeroDivisionError):
        main()


def test_the_version_is_said_in_both_ways(
    mlx_gui: CommandLine, capsys: pytest.CaptureFixture[str]
) -> None:
    assert mlx_gui("--version") == 0
    assert capsys.readouterr().out == f"mlx-gui {__version__}\n"
    assert mlx_gui("version", "--json") == 0
    versions = json.loads(capsys.readouterr().out)
    assert versions["mlx-gui"] == __version__
    assert versions["mlx"]


def test_no_color_is_told_to_whatever_prints(
    mlx_gui: CommandLine, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    red = "\x1b[1;31m"
    monkeypatch.setenv("FORCE_COLOR", "1")
    mlx_gui("list")
    assert red in capsys.readouterr().err
    mlx_gui("--no-color", "list")
    assert red not in capsys.readouterr().err


def test_a_list_longer_than_a_terminal_is_wide_stays_on_its_lines_in_a_pipe(
    mlx_gui: CommandLine, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MLX_GUI_MODEL_DIRS", ":".join(f"/models/{name * 40}" for name in "abc"))
    assert mlx_gui("config") == 0
    assert len(capsys.readouterr().out.splitlines()) == len(SERVER_SETTINGS) + 1
