"""Whether there is a display, asked without any library of windows."""

import socket
from pathlib import Path

import pytest

from mlx_gui.desktop.displays import display_problem


def test_without_a_display_it_says_which_variables_it_looked_at() -> None:
    assert "neither WAYLAND_DISPLAY nor DISPLAY is set" in display_problem({})


@pytest.mark.parametrize("name", [":98765", "nonsense", "unix:98765", "localhost:98"])
def test_a_display_that_does_not_answer_is_named(name: str) -> None:
    assert display_problem({"DISPLAY": name}) == f"The display {name} does not answer."


def test_a_socket_of_wayland_is_a_display(tmp_path: Path) -> None:
    variables = {"WAYLAND_DISPLAY": "wayland-7", "XDG_RUNTIME_DIR": str(tmp_path)}
    assert "does not answer" in display_problem(variables)
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(tmp_path / "wayland-7"))
        server.listen()
        assert display_problem(variables) == ""
