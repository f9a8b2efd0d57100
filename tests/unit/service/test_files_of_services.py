"""What a service is written as: a unit of systemd, an agent of launchd."""

import configparser
import os
import plistlib
import shutil
import subprocess
from pathlib import Path

import pytest

from mlx_gui.config import read_sources
from mlx_gui.service.description import Description, describe
from mlx_gui.service.errors import ServiceError
from mlx_gui.service.launchd import Launchd, agent_plist
from mlx_gui.service.systemd import Systemd, unit_text

HOSTILE = "/opt/my \"apps\"/100%/$HOME/back\\slash 'x' ü"


def described(program: str = "/bin/sh", **variables: str) -> Description:
    return Description(
        program=(program, "-P", "-m", "mlx_gui", "start"),
        environment={"MLX_GUI_DATA_DIR": "/data", **variables},
        data_dir=Path("/data"),
        stop_timeout_s=60,
        left_out=(),
    )


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="no systemd here")
def test_systemd_reads_the_unit_without_a_complaint(tmp_path: Path) -> None:
    program = tmp_path / "my apps" / "100%" / "$HOME" / "ü;#"
    program.parent.mkdir(parents=True)
    program.symlink_to("/bin/sh")
    unit = tmp_path / "mlx-gui.service"
    unit.write_text(unit_text(described(str(program), TEXT=HOSTILE), systemd_version=252))

    verified = subprocess.run(
        ["systemd-analyze", "--user", "verify", unit],
        env=os.environ | {"XDG_RUNTIME_DIR": str(tmp_path)},
        capture_output=True,
        text=True,
    )

    assert (verified.returncode, verified.stdout + verified.stderr) == (0, "")


@pytest.mark.parametrize("version", [0, 252, 254])
def test_the_delay_before_a_restart_grows_where_systemd_knows_how(version: int) -> None:
    parser = configparser.ConfigParser(interpolation=None, strict=False)
    parser.read_string(unit_text(described(), systemd_version=version))
    assert parser["Service"]["Restart"] == "on-failure"
    assert parser["Unit"]["StartLimitIntervalSec"] == "0"
    assert ("RestartMaxDelaySec" in parser["Service"]) == (version >= 254)
    assert parser["Install"]["WantedBy"] == "default.target"


def test_a_program_that_systemd_would_not_start_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ServiceError, match="quotes or backslashes"):
        Systemd(tmp_path).render(described(HOSTILE))


def test_a_unit_says_itself_whose_it_is(tmp_path: Path) -> None:
    text = unit_text(described(HOSTILE), systemd_version=252)
    installed = Systemd(tmp_path).read(text.encode())
    assert (installed.program, installed.data_dir, installed.ours) == (HOSTILE, "/data", True)


@pytest.mark.parametrize("content", [b"", b"[Service]\nExecStart=/bin/other\n", b"\xff[[\n=", b"x"])
def test_a_unit_of_somebody_else_is_known_as_such(tmp_path: Path, content: bytes) -> None:
    assert not Systemd(tmp_path).read(content).ours


def test_an_agent_outlives_the_way_through_its_file(tmp_path: Path) -> None:
    system = Launchd(tmp_path)
    content = system.render(described(HOSTILE, TEXT=HOSTILE))

    agent = plistlib.loads(content)

    assert agent["ProgramArguments"] == [HOSTILE, "-P", "-m", "mlx_gui", "start"]
    assert agent["EnvironmentVariables"]["TEXT"] == HOSTILE
    assert agent["EnvironmentVariables"]["MLX_GUI_LOG_FILE"] == "on"
    assert agent["KeepAlive"] == {"SuccessfulExit": False}
    assert agent["RunAtLoad"] is True
    assert agent["ExitTimeOut"] == 60
    installed = system.read(content)
    assert (installed.program, installed.data_dir, installed.ours) == (HOSTILE, "/data", True)


@pytest.mark.parametrize(
    "content", [b"", b"<plist", b"\xff", plistlib.dumps({"Label": "x"}), plistlib.dumps([1])]
)
def test_an_agent_of_somebody_else_is_known_as_such(tmp_path: Path, content: bytes) -> None:
    assert not Launchd(tmp_path).read(content).ours


def test_whoever_sets_the_log_file_decides_for_the_agent_too() -> None:
    agent = agent_plist(described(MLX_GUI_LOG_FILE="off"), complaints=Path("/log"))
    assert agent["EnvironmentVariables"]["MLX_GUI_LOG_FILE"] == "off"


def environment(tmp_path: Path, **variables: str) -> Description:
    given = {"MLX_GUI_DATA_DIR": str(tmp_path), **variables}
    return describe(read_sources(flags={}, environment=given))


def test_a_service_gets_the_settings_of_the_environment_and_no_secret(tmp_path: Path) -> None:
    made = environment(
        tmp_path,
        MLX_GUI_PORT="8123",
        MLX_GUI_MODEL_DIRS=f"models{os.pathsep}/other",
        MLX_GUI_SHUTDOWN_GRACE_S="90",
        MLX_GUI_HUB_TOKEN="hf_secret",
        HF_TOKEN="hf_secret",
        HF_HOME="cache",
        HTTPS_PROXY="http://proxy:3128",
        EDITOR="ed",
    )
    assert dict(made.environment) == {
        "HF_HOME": str(Path("cache").absolute()),
        "HTTPS_PROXY": "http://proxy:3128",
        "MLX_GUI_DATA_DIR": str(tmp_path),
        "MLX_GUI_MODEL_DIRS": f"{Path('models').absolute()}{os.pathsep}/other",
        "MLX_GUI_PORT": "8123",
        "MLX_GUI_SHUTDOWN_GRACE_S": "90",
    }
    assert set(made.left_out) == {"HF_TOKEN", "MLX_GUI_HUB_TOKEN"}
    assert made.stop_timeout_s == 120


@pytest.mark.parametrize("text", ["a\nExecStart=/bin/evil", "a\0b", "\x1b[2J", "a\udcff"])
def test_what_would_break_out_of_the_file_is_refused(tmp_path: Path, text: str) -> None:
    with pytest.raises(ServiceError, match="HTTPS_PROXY"):
        environment(tmp_path, HTTPS_PROXY=text)


def test_an_environment_that_is_cleared_is_no_place_for_a_service(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.executable", "/cache/uv/archive-v0/AbC/bin/python")
    with pytest.raises(ServiceError, match="uvx"):
        environment(tmp_path)
