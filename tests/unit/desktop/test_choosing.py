"""Which face the tray has, and what is said where it has none."""

import sys

import pytest
import typer

from mlx_gui.cli.tray import command
from mlx_gui.desktop.faces import choosing


@pytest.mark.parametrize(
    ("platform", "needed"), [("linux", "dbus_fast and pystray"), ("darwin", "pystray")]
)
def test_without_the_extra_it_says_how_to_get_it(
    platform: str,
    needed: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr(sys, "platform", platform)
    monkeypatch.setattr(choosing, "find_spec", lambda name: None)
    with pytest.raises(typer.Exit) as ended:
        command(data_dir="/nowhere")
    assert ended.value.exit_code == 1
    said = capsys.readouterr().err
    assert said.startswith(f"Error: The tray needs {needed}.")
    assert "mlx-gui[tray]" in said
