"""The sampler on scripted machines, and what real processes hold."""

import asyncio
import os
import resource
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from structlog.testing import capture_logs

from mlx_gui.control.machine.linux import LinuxReader
from mlx_gui.control.machine.reading import MachineIdentity, MemoryReading, Pressure
from mlx_gui.control.machine.sampler import (
    MemorySampler,
    process_private_bytes,
    process_pss_bytes,
    process_rss_bytes,
)

GB = 10**9
MB = 10**6
HELD_BYTES = 200 * MB

linux_only = pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")


class ScriptedMachine:
    """A machine of 32 GB of which `available_bytes` are free at each reading in turn.

    None is a reading that fails.
    """

    def __init__(self, *available_bytes: int | None) -> None:
        self._left = list(available_bytes)

    def read(self) -> MemoryReading:
        available_bytes = self._left.pop(0)
        if available_bytes is None:
            raise OSError("too many open files")
        return MemoryReading(32 * GB, available_bytes, 32 * GB)

    def identify(self) -> MachineIdentity:
        raise AssertionError("the sampler does not ask")


@contextmanager
def holder() -> Iterator[int]:
    """The id of a process that holds 200 MB of its own."""
    script = (
        f"import sys; held = bytearray(b'x') * {HELD_BYTES}; print('held', flush=True); input()"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", script], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    with process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"held\n"
        yield process.pid
        process.communicate(b"\n")


def test_a_change_that_a_person_could_see_is_reported_even_if_it_came_slowly() -> None:
    changes: list[int] = []
    machine = ScriptedMachine(20 * GB, 20 * GB - 10 * MB, 20 * GB - 20 * MB, 20 * GB - 21 * MB)
    sampler = MemorySampler(lambda: changes.append(1), reader=machine)

    told: list[int] = []
    for _ in range(3):
        sampler.sample()
        told.append(len(changes))

    assert told == [0, 1, 1]
    assert sampler.latest.available_bytes == 20 * GB - 21 * MB


def test_pressure_is_told_when_it_changes_and_only_then() -> None:
    levels: list[Pressure] = []
    machine = ScriptedMachine(20 * GB, 900 * MB, 900 * MB, 400 * MB, 1_100 * MB, 5 * GB)
    sampler = MemorySampler(lambda: None, reader=machine, on_pressure=levels.append)

    for _ in range(5):
        sampler.sample()

    assert levels == ["warn", "critical", "warn", "normal"]
    assert sampler.pressure == "normal"


def test_a_reading_that_fails_is_told_once_and_the_next_one_counts_again() -> None:
    levels: list[Pressure] = []
    machine = ScriptedMachine(20 * GB, None, None, 400 * MB, None, 5 * GB)
    sampler = MemorySampler(lambda: None, reader=machine, on_pressure=levels.append)

    with capture_logs() as logs:
        sampler.sample()
        assert sampler.now().available_bytes == 20 * GB
        for _ in range(3):
            sampler.sample()

    assert levels == ["critical", "normal"]
    assert [line["event"] for line in logs if not line["event"].startswith("memory_pressure")] == [
        "memory_not_told", "memory_told_again", "memory_not_told", "memory_told_again"
    ]  # fmt: skip


@linux_only
def test_without_a_free_descriptor_a_process_is_not_taken_for_one_that_holds_nothing() -> None:
    changes: list[int] = []
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)

    async def scenario(pid: int) -> None:
        sampler = MemorySampler(
            lambda: changes.append(1),
            reader=ScriptedMachine(20 * GB),
            worker_pids=lambda: {"org/one": pid},
        )
        await sampler.measure_workers()
        resource.setrlimit(resource.RLIMIT_NOFILE, (3, hard))
        try:
            await sampler.measure_workers()
            with pytest.raises(OSError, match="Too many open files"):
                LinuxReader().read()
        finally:
            resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
        assert sampler.worker_bytes["org/one"] >= HELD_BYTES
        assert len(changes) == 1

    with holder() as pid:
        asyncio.run(scenario(pid))


def test_pressure_is_known_from_the_first_reading_on() -> None:
    assert MemorySampler(lambda: None, reader=ScriptedMachine(400 * MB)).pressure == "critical"


def test_workers_are_measured_and_those_that_are_gone_forgotten() -> None:
    changes: list[int] = []
    pids: dict[str, int] = {}
    sampler = MemorySampler(
        lambda: changes.append(1), reader=ScriptedMachine(20 * GB), worker_pids=lambda: pids
    )

    async def scenario() -> None:
        await sampler.measure_workers()
        assert (sampler.worker_bytes, changes) == ({}, [])
        with holder() as pid:
            pids["org/one"] = pid
            await sampler.measure_workers()
            assert sampler.worker_bytes["org/one"] >= HELD_BYTES
            assert len(changes) == 1
            await sampler.measure_workers()
            assert len(changes) == 1
        await sampler.measure_workers()
        assert sampler.worker_bytes == {"org/one": 0}
        pids.clear()
        await sampler.measure_workers()
        assert sampler.worker_bytes == {}

    asyncio.run(scenario())


def test_a_sampler_reads_this_machine_and_ends_when_it_is_cancelled() -> None:
    async def scenario() -> None:
        measured = asyncio.Event()

        def pids() -> dict[str, int]:
            measured.set()
            return {}

        sampler = MemorySampler(lambda: None, worker_pids=pids)
        running = asyncio.create_task(sampler.run())
        await asyncio.wait_for(measured.wait(), 30)
        running.cancel()
        with pytest.raises(asyncio.CancelledError):
            await running
        assert sampler.latest.total_bytes > sampler.latest.available_bytes > 0

    asyncio.run(scenario())


@linux_only
def test_what_a_process_holds_is_seen_from_outside() -> None:
    with holder() as pid:
        private, pss, rss = (
            process_private_bytes(pid),
            process_pss_bytes(pid),
            process_rss_bytes(pid),
        )

    # The kernel counts pages by processor, and statm is read without adding the last ones up.
    assert HELD_BYTES - 8 * MB <= private <= pss + 8 * MB
    assert HELD_BYTES <= pss <= rss < 2 * HELD_BYTES


@linux_only
def test_nobody_holds_nothing() -> None:
    with holder() as pid:
        pass
    for measure in (process_private_bytes, process_pss_bytes, process_rss_bytes):
        assert (measure(None), measure(pid)) == (0, 0)
        assert measure(os.getpid()) > 0
