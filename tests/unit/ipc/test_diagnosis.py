"""Why a process ended: in words, and by a cause that others decide by."""

from pathlib import Path

import pytest

from mlx_gui.ipc.diagnosis import ExitCause, diagnose_exit, oom_kills

ALLOCATION = "RuntimeError: [malloc] Unable to allocate 4096 bytes."
BUFFER = "RuntimeError: [metal::malloc] Attempting to allocate 17179869184 bytes which is greater"
METAL = "libc++abi: [METAL] Command buffer execution failed: "
SHORT = METAL + "Insufficient Memory (00000008:kIOGPUCommandBufferCallbackErrorOutOfMemory)"
SLOW = METAL + "Caused GPU Timeout Error"


@pytest.mark.parametrize(
    ("returncode", "tail", "cause", "words"),
    [
        (0, ("MemoryError",), "clean", "ended by itself"),
        (-9, (), "killed", "SIGKILL"),
        (-15, (), "killed", "signal 15 (SIGTERM)"),
        (-11, (), "crashed", "signal 11 (SIGSEGV)"),
        (-250, (), "crashed", "signal 250 (unknown)"),
        (137, (), "killed", "SIGKILL"),
        (143, (), "killed", "signal 15 (SIGTERM)"),
        (139, (), "crashed", "signal 11 (SIGSEGV)"),
        (134, (SHORT,), "out_of_memory", "ran out of memory"),
        (128, (), "crashed", "ended with code 128"),
        (255, (), "crashed", "ended with code 255"),
        (-6, (SLOW,), "metal", "Metal command buffer"),
        (-6, (SHORT,), "out_of_memory", "ran out of memory"),
        (-6, ("terminate called after throwing 'std::bad_alloc'",), "out_of_memory", "ran out"),
        (-6, ("memory allocation of 6291456 bytes failed",), "out_of_memory", "ran out"),
        (70, ("Traceback", ALLOCATION), "out_of_memory", "ran out"),
        (70, ("Traceback", BUFFER), "out_of_memory", "ran out"),
        (70, ("Traceback", "MemoryError"), "out_of_memory", "ran out"),
        (1, ("Traceback", "ValueError: no such layer"), "crashed", "code 1: ValueError"),
        (1, (), "crashed", "ended with code 1"),
    ],
)
def test_an_exit_has_a_cause_and_words(
    returncode: int, tail: tuple[str, ...], cause: ExitCause, words: str
) -> None:
    diagnosis = diagnose_exit(returncode, tail)
    assert diagnosis.cause == cause
    assert words in diagnosis.reason


def test_only_the_kernel_can_say_that_a_killed_process_had_no_memory() -> None:
    by_hand = diagnose_exit(-9, ("MemoryError",), oom_killed=False)
    by_kernel = diagnose_exit(-9, (), oom_killed=True)
    assert diagnose_exit(137, (), oom_killed=True) == by_kernel
    assert (by_hand.cause, by_kernel.cause) == ("killed", "out_of_memory")
    assert "memory" not in by_hand.reason
    assert "lack of memory" in by_kernel.reason


def test_what_the_kernel_counted_is_no_cause_of_another_end() -> None:
    assert diagnose_exit(-15, (), oom_killed=True).cause == "killed"
    assert diagnose_exit(0, (), oom_killed=True).cause == "clean"


@pytest.mark.parametrize(
    ("files", "expected"),
    [
        ({"proc/vmstat": "pgfault 5\noom_kill 3\n"}, 3),
        (
            {
                "proc/self/cgroup": "0::/user/app\n",
                "sys/fs/cgroup/user/app/memory.events": "low 0\noom 9\noom_kill 2\n",
                "proc/vmstat": "oom_kill 3\n",
            },
            2,
        ),
        (
            {
                "proc/self/cgroup": "0::/\n",
                "sys/fs/cgroup/memory.events": "oom_kill 4\noom_group_kill 1\n",
            },
            4,
        ),
        (
            {
                "proc/self/cgroup": "5:cpu,memory:/docker/1\n2:pids:/docker/1\n",
                "sys/fs/cgroup/memory/memory.oom_control": "under_oom 0\noom_kill 7\n",
            },
            7,
        ),
        ({"proc/self/cgroup": "0::/user\n"}, None),
        ({"proc/vmstat": "oom_kill many\n"}, None),
    ],
)
def test_kills_are_counted_in_the_nearest_control_group_else_in_the_machine(
    files: dict[str, str], expected: int | None, tmp_path: Path
) -> None:
    for name, text in files.items():
        file = tmp_path / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
    assert oom_kills(tmp_path) == expected


def test_a_bad_address_is_the_end_of_a_limited_process_that_was_refused_memory() -> None:
    limited = diagnose_exit(-11, (), limited=True)
    assert limited.cause == "out_of_memory"
    assert "beyond its limit (SIGSEGV)" in limited.reason
    assert diagnose_exit(-6, (), limited=True).cause == "crashed"
    assert diagnose_exit(-9, (), limited=True).cause == "killed"
