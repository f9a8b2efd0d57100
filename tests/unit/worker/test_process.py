"""What a child asks of the system for itself."""

import os
import subprocess
import sys

import pytest

from mlx_gui.ipc.spawn import child_argv
from mlx_gui.worker.process import is_above, parent_of

SERVER, LOADER, CHILD, OTHER = 10, 20, 30, 1
PARENTS = {CHILD: LOADER, LOADER: SERVER, SERVER: OTHER}
BELOW = """
import sys
from mlx_gui.worker.process import end_with_parent
end_with_parent(int(sys.argv[1]), between=int(sys.argv[2]))
print("alive", flush=True)
"""
LOADER_SCRIPT = """
import subprocess, sys
subprocess.run([sys.executable, "-c", *sys.argv[1:]], check=True)
"""
linux_only = pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells a child")


@pytest.mark.parametrize(
    ("parent", "between", "above"),
    [
        (SERVER, 0, True),
        (LOADER, 0, False),
        (SERVER, 1, True),
        (LOADER, 1, True),
        (CHILD, 1, False),
        (CHILD, 2, True),
        (OTHER, 1, False),
        (99, 5, False),
    ],
)
def test_a_server_is_known_with_and_without_a_boot_loader_in_between(
    parent: int, between: int, above: bool
) -> None:
    assert is_above(SERVER, parent, between, parent_of=PARENTS.get) is above


def test_a_frozen_child_is_told_its_server_as_well(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "frozen", True, raising=False)
    assert child_argv("worker", 5) == [
        *(sys.executable, "--role", "worker", "--channel", "5", "--parent", str(os.getpid())),
    ]


@linux_only
def test_the_system_tells_the_parent_of_a_process() -> None:
    assert parent_of(os.getpid()) == os.getppid()
    with subprocess.Popen([sys.executable, "-c", ""]) as ended:
        pass
    assert parent_of(ended.pid) is None


@linux_only
@pytest.mark.parametrize(
    ("parent", "between", "said"),
    [(os.getpid(), 1, "alive"), (os.getpid(), 0, ""), (2**22 + 1, 1, "")],
    ids=["below the server", "without a boot loader", "of a server that is gone"],
)
def test_a_child_behind_a_boot_loader_lives_as_long_as_its_server_is_above_it(
    parent: int, between: int, said: str
) -> None:
    run = subprocess.run(
        [sys.executable, "-c", LOADER_SCRIPT, BELOW, str(parent), str(between)],
        stdout=subprocess.PIPE,
        check=True,
        text=True,
    )
    assert run.stdout.strip() == said
