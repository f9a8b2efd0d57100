"""Why a process ended, in words; and a real child that speaks the wrong version."""

import pytest

from mlx_gui.ipc.child import describe_exit


@pytest.mark.parametrize(
    ("returncode", "tail", "expected"),
    [
        (-9, (), "lack of memory"),
        (-11, (), "signal 11 (SIGSEGV)"),
        (-6, ("libc++abi: [METAL] Command buffer execution failed",), "Metal command buffer"),
        (-6, ("terminate called after throwing 'std::bad_alloc'",), "ran out of memory"),
        (1, ("Traceback", "ValueError: no such layer"), "ended with code 1: ValueError"),
        (0, (), "ended by itself"),
        (-250, (), "signal 250 (unknown)"),
    ],
)
def test_an_exit_is_described_by_its_cause(
    returncode: int, tail: tuple[str, ...], expected: str
) -> None:
    assert expected in describe_exit(returncode, tail)
