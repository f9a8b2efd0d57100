"""What is read from recorded trees of the kernel's files, and from this machine's own."""

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from mlx_gui.control.machine.linux import LinuxReader
from mlx_gui.control.machine.reading import Container, Stall
from tests.unit.control.machine.trees import (
    AVAILABLE_BYTES,
    DOCKER_V1,
    DOCKER_V2,
    GIB,
    HYBRID,
    LXC,
    MEMINFO,
    PLAIN_HOST,
    SYSTEMD_SLICE,
    TOTAL_BYTES,
    V1_UNLIMITED,
    Tree,
    plant,
)


def test_a_plain_host_has_its_own_memory_and_no_container(tmp_path: Path) -> None:
    reading = LinuxReader(plant(tmp_path, PLAIN_HOST)).read()

    assert (reading.total_bytes, reading.machine_bytes) == (TOTAL_BYTES, TOTAL_BYTES)
    assert reading.available_bytes == AVAILABLE_BYTES
    assert reading.container is None
    assert reading.stall == Stall(1.5, 0.25)


@pytest.mark.parametrize(
    ("tree", "container", "available_bytes"),
    [
        # 8 GiB less 3 taken, of which one is a cache that the kernel would drop.
        pytest.param(DOCKER_V2, Container(8 * GIB, 6 * GIB, 0), 6 * GIB, id="docker-v2"),
        pytest.param(DOCKER_V1, Container(4 * GIB, 3 * GIB, 2 * GIB), 3 * GIB, id="docker-v1"),
        # The limit is the service's, but the slice has less room: its other services took it.
        pytest.param(
            SYSTEMD_SLICE, Container(10 * GIB, 2 * GIB, 2 * GIB), 2 * GIB, id="systemd-slice"
        ),
        pytest.param(LXC, Container(4 * GIB, 5 * GIB // 2), 5 * GIB // 2, id="lxc"),
        pytest.param(HYBRID, Container(6 * GIB, 2 * GIB), 2 * GIB, id="hybrid"),
    ],
)
def test_a_container_has_the_smallest_limit_and_the_smallest_room_up_the_tree(
    tmp_path: Path, tree: Tree, container: Container, available_bytes: int
) -> None:
    reading = LinuxReader(plant(tmp_path, tree)).read()

    assert reading.container == container
    assert reading.total_bytes == container.limit_bytes
    assert reading.available_bytes == available_bytes


def test_the_stall_is_the_worse_of_the_machines_and_the_containers(tmp_path: Path) -> None:
    assert LinuxReader(plant(tmp_path, DOCKER_V2)).read().stall == Stall(12.0, 6.5)


def test_a_kernel_without_pressure_figures_has_no_stall(tmp_path: Path) -> None:
    plant(tmp_path, DOCKER_V1)
    (tmp_path / "proc/pressure/memory").unlink()

    assert LinuxReader(tmp_path).read().stall is None


def test_a_machine_that_is_smaller_than_the_limit_is_not_limited_by_it(tmp_path: Path) -> None:
    wide: Tree = {"sys/fs/cgroup/memory.max": f"{64 * GIB}\n"}
    reading = LinuxReader(plant(tmp_path, DOCKER_V2, wide)).read()

    assert (reading.container, reading.total_bytes) == (None, TOTAL_BYTES)


def test_a_container_of_version_1_without_a_limit_is_none(tmp_path: Path) -> None:
    unlimited: Tree = {
        "sys/fs/cgroup/memory/memory.limit_in_bytes": V1_UNLIMITED,
        "sys/fs/cgroup/memory/memory.stat": f"hierarchical_memory_limit {V1_UNLIMITED}",
    }
    assert LinuxReader(plant(tmp_path, DOCKER_V1, unlimited)).read().container is None


def test_what_a_container_took_beyond_its_limit_leaves_no_room(tmp_path: Path) -> None:
    over: Tree = {"sys/fs/cgroup/memory.current": f"{10 * GIB}\n"}
    assert LinuxReader(plant(tmp_path, DOCKER_V2, over)).read().available_bytes == 0


@pytest.mark.parametrize("own", ["0::/../../elsewhere\n", "0::/not/mounted/here\n", "0::/\n"])
def test_a_group_that_cannot_be_seen_from_here_is_the_one_that_is_mounted(
    tmp_path: Path, own: str
) -> None:
    reading = LinuxReader(plant(tmp_path, DOCKER_V2, {"proc/self/cgroup": own})).read()

    assert reading.total_bytes == 8 * GIB


def test_a_mount_with_a_blank_in_its_path_is_found(tmp_path: Path) -> None:
    moved: Tree = {
        "proc/self/mountinfo": r"29 22 0:25 / /my\040groups rw - cgroup2 cgroup2 rw" + "\n",
        "my groups/memory.max": f"{GIB}\n",
        "my groups/memory.current": "0\n",
    }
    assert LinuxReader(plant(tmp_path, DOCKER_V2, moved)).read().total_bytes == GIB


@pytest.mark.parametrize(
    "senseless",
    [
        {"sys/fs/cgroup/memory.max": ""},
        {"sys/fs/cgroup/memory.max": "-1\n"},
        {"sys/fs/cgroup/memory.current": "a lot\n"},
        {"proc/self/mountinfo": "\n - \nnonsense\n29 22 - cgroup2\n"},
        {"proc/self/cgroup": "nonsense\n::\n\n"},
        {"proc/self/cgroup": "7:memory:/docker/of-another-version\n"},
        {"sys/fs/cgroup/memory.pressure": "some avg10=much\nfull\n", "proc/self/cgroup": ""},
    ],
)
def test_files_without_sense_are_as_good_as_none(tmp_path: Path, senseless: Tree) -> None:
    reading = LinuxReader(plant(tmp_path, DOCKER_V2, senseless)).read()

    assert (reading.container, reading.available_bytes) == (None, AVAILABLE_BYTES)


def test_a_stall_without_sense_does_not_count(tmp_path: Path) -> None:
    broken: Tree = {
        "sys/fs/cgroup/memory.pressure": "some avg10=much\n\n",
        "proc/pressure/memory": "some avg10=3.00 avg60=0\n",
    }
    with_blank = {**broken, "proc/pressure/memory": "\nsome avg10=3.00 avg60=0\n"}
    assert LinuxReader(plant(tmp_path, DOCKER_V2, with_blank)).read().stall == Stall(3.0, 0.0)


def test_a_machine_that_does_not_tell_its_memory_is_an_error(tmp_path: Path) -> None:
    plant(tmp_path, MEMINFO, {"proc/meminfo": "MemTotal: 5 kB\n"})
    with pytest.raises(OSError, match="does not tell the memory"):
        LinuxReader(tmp_path).read()


def test_the_machine_says_what_it_is(tmp_path: Path) -> None:
    identity = LinuxReader(plant(tmp_path, PLAIN_HOST)).identify()

    assert (identity.model, identity.chip) == ("B550 Board", "AMD Ryzen 7 5800X")
    assert (identity.cores, identity.system) == (2, "Debian GNU/Linux 12 (bookworm)")


def test_a_board_says_its_model_and_may_leave_out_its_chip(tmp_path: Path) -> None:
    identity = LinuxReader(plant(tmp_path, DOCKER_V2)).identify()

    assert (identity.model, identity.chip) == ("Some Board Rev 1.1", None)
    assert (identity.cores, identity.system) == (1, "Linux")


def test_a_machine_that_says_nothing_is_a_linux_all_the_same(tmp_path: Path) -> None:
    identity = LinuxReader(plant(tmp_path, {"etc/os-release": 'PRETTY_NAME="half\n'})).identify()

    assert (identity.model, identity.chip, identity.cores) == (None, None, None)
    assert identity.system == "Linux"


@pytest.mark.skipif(sys.platform != "linux", reason="reads the files of a Linux kernel")
def test_this_machine_reads_as_it_is() -> None:
    reading, other = LinuxReader().read(), psutil.virtual_memory()

    assert reading.machine_bytes == other.total
    assert 0 < reading.available_bytes <= reading.total_bytes <= reading.machine_bytes
    if reading.container is None:
        assert reading.total_bytes == reading.machine_bytes
    assert LinuxReader().identify().cores == psutil.cpu_count()


@pytest.fixture
def limited_group() -> Iterator[Path]:
    """A real group of version 1 below our own, with a limit of 1 GiB, where we may make one."""
    memberships = Path("/proc/self/cgroup")
    lines = memberships.read_text().splitlines() if memberships.exists() else []
    own = [line.split(":")[2] for line in lines if line.split(":")[1] == "memory"]
    if not own:
        pytest.skip("the memory controller is not one of version 1")
    folder = Path("/sys/fs/cgroup/memory" + own[0]) / f"mlx-gui-test-{os.getpid()}"
    try:
        folder.mkdir()
    except OSError as error:
        pytest.skip(f"a control group cannot be made here: {error}")
    try:
        (folder / "memory.limit_in_bytes").write_text(str(GIB))
        yield folder
    finally:
        folder.rmdir()


def test_a_process_under_a_real_limit_reads_it_and_what_it_takes(limited_group: Path) -> None:
    script = f"""
import os, pathlib
from mlx_gui.control.machine.linux import LinuxReader
pathlib.Path({str(limited_group)!r}, "cgroup.procs").write_text(str(os.getpid()))
before = LinuxReader().read()
held = bytearray(b"x") * {GIB // 4}
after = LinuxReader().read()
print(before.total_bytes, before.available_bytes - after.available_bytes)
"""
    run = subprocess.run(
        [sys.executable, "-c", script], check=True, capture_output=True, text=True, timeout=60
    )
    total_bytes, taken_bytes = map(int, run.stdout.split())

    assert total_bytes == GIB
    assert GIB // 4 <= taken_bytes < GIB // 2


def test_pages_that_a_processor_keeps_after_a_process_has_ended_are_available(
    tmp_path: Path,
) -> None:
    zones = (
        "Node 0, zone   Normal\n  pages free     4602\n        managed  6170939\n  pagesets\n"
        "    cpu: 0\n              count:    1000\n              high:     771367\n"
        "    cpu: 1\n              count:    7\n"
        "Node 0, zone  Movable\n  pagesets\n    cpu: 0\n              count:    2\n"
    )
    meminfo = "MemTotal: 1000000 kB\nMemAvailable: 500000 kB\n"
    plant(tmp_path, {"proc/meminfo": meminfo, "proc/zoneinfo": zones})
    kept_bytes = (1000 + 7 + 2) * os.sysconf("SC_PAGE_SIZE")
    assert LinuxReader(tmp_path).read().available_bytes == 500_000 * 1024 + kept_bytes
