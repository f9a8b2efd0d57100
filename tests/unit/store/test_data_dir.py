"""One server per data directory, and how others find it."""

import os
import signal
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from mlx_gui.core.runtime import RUNTIME_FILE, Runtime
from mlx_gui.store.data_dir import hold
from mlx_gui.store.errors import DataDirInUse, StoreError
from mlx_gui.store.runtime import publish, running, withdraw


def runtime(pid: int) -> Runtime:
    return Runtime(address="http://127.0.0.1:8000", pid=pid, version="1.2.3", token="secret")


def dead_pid() -> int:
    child = subprocess.Popen([sys.executable, "-c", ""])
    child.wait()
    return child.pid


def test_a_second_server_is_told_who_has_the_data_directory(tmp_path: Path) -> None:
    with hold(tmp_path):
        publish(tmp_path, runtime(os.getpid()))
        with pytest.raises(DataDirInUse) as caught, hold(tmp_path):
            pass
    assert f"at http://127.0.0.1:8000 (process {os.getpid()})" in caught.value.message
    assert "MLX_GUI_DATA_DIR" in caught.value.hint


def test_a_server_that_is_still_starting_holds_the_directory_too(tmp_path: Path) -> None:
    with hold(tmp_path), pytest.raises(DataDirInUse, match="that is starting"), hold(tmp_path):
        pass


def test_the_directory_is_free_again_afterwards(tmp_path: Path) -> None:
    for _ in range(2):
        with hold(tmp_path):
            pass


def test_a_killed_server_holds_nothing(tmp_path: Path) -> None:
    code = f"""
import sys
from pathlib import Path
from mlx_gui.store.data_dir import hold
with hold(Path({str(tmp_path)!r})):
    print("held", flush=True)
    sys.stdin.read()
"""
    with subprocess.Popen(
        [sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as child:
        assert child.stdout is not None
        assert child.stdout.readline() == b"held\n"
        with pytest.raises(DataDirInUse), hold(tmp_path):
            pass
        os.kill(child.pid, signal.SIGKILL)
        child.wait()
    with hold(tmp_path):
        pass


def test_children_of_the_server_do_not_keep_the_directory(tmp_path: Path) -> None:
    code = "print('running', flush=True); input()"
    with hold(tmp_path):
        child = subprocess.Popen(
            [sys.executable, "-c", code],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            close_fds=False,
        )
        assert child.stdout is not None
        assert child.stdout.readline() == b"running\n"
    try:
        with hold(tmp_path):
            pass
    finally:
        child.communicate(b"\n")


def test_a_directory_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(StoreError, match="Not a directory"), hold(tmp_path / "file" / "data"):
        pass


def test_the_runtime_file_is_private_and_says_where_the_server_is(tmp_path: Path) -> None:
    publish(tmp_path, runtime(os.getpid()))
    publish(tmp_path, runtime(os.getpid()))
    assert running(tmp_path) == runtime(os.getpid())
    assert [path.name for path in tmp_path.iterdir()] == [RUNTIME_FILE]
    assert stat.S_IMODE((tmp_path / RUNTIME_FILE).stat().st_mode) == 0o600


def test_the_runtime_file_of_a_dead_server_counts_for_nothing(tmp_path: Path) -> None:
    publish(tmp_path, runtime(dead_pid()))
    assert running(tmp_path) is None


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b'{"address": 1}', b"\xff"])
def test_an_unreadable_runtime_file_counts_for_nothing(tmp_path: Path, content: bytes) -> None:
    (tmp_path / RUNTIME_FILE).write_bytes(content)
    assert running(tmp_path) is None


def test_the_runtime_file_leaves_with_the_server(tmp_path: Path) -> None:
    publish(tmp_path, runtime(os.getpid()))
    withdraw(tmp_path)
    withdraw(tmp_path)
    assert running(tmp_path) is None
    assert list(tmp_path.iterdir()) == []
