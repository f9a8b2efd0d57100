"""Files of the kernel as they were read on machines of several sorts, by their path."""

from collections.abc import Mapping
from pathlib import Path

GIB = 2**30
Tree = Mapping[str, str]


def plant(root: Path, *trees: Tree) -> Path:
    """`root` with the files of all `trees`, of which the later ones win."""
    for tree in trees:
        for name, content in tree.items():
            path = root / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(content)
    return root


MEMINFO: Tree = {
    "proc/meminfo": (
        "MemTotal:       32657340 kB\n"
        "MemFree:         9274364 kB\n"
        "MemAvailable:   21483520 kB\n"
        "Buffers:          612444 kB\n"
        "HugePages_Total:       0\n"
        "Hugepagesize:       2048 kB\n"
    ),
    "proc/pressure/memory": (
        "some avg10=1.50 avg60=0.40 avg300=0.10 total=52211\n"
        "full avg10=0.25 avg60=0.10 avg300=0.02 total=30110\n"
    ),
}
TOTAL_BYTES = 32657340 * 1024
AVAILABLE_BYTES = 21483520 * 1024

PLAIN_HOST: Tree = {
    **MEMINFO,
    "proc/self/cgroup": "0::/user.slice/user-1000.slice/session-3.scope\n",
    "proc/self/mountinfo": (
        "22 29 0:20 / /sys rw,nosuid shared:7 - sysfs sysfs rw\n"
        "29 22 0:25 / /sys/fs/cgroup rw,nosuid shared:9 - cgroup2 cgroup2 rw,nsdelegate\n"
        "31 1 259:2 / / rw,relatime shared:1 - ext4 /dev/nvme0n1p2 rw\n"
    ),
    "sys/fs/cgroup/memory.stat": "anon 5000\ninactive_file 8000\n",
    "sys/fs/cgroup/memory.pressure": "some avg10=9.00 avg60=0 avg300=0 total=1\n",
    **{
        f"sys/fs/cgroup/{group}/{name}": content
        for group in (
            "user.slice",
            "user.slice/user-1000.slice",
            "user.slice/user-1000.slice/session-3.scope",
        )
        for name, content in {
            "memory.max": "max\n",
            "memory.high": "max\n",
            "memory.current": "3221225472\n",
            "memory.swap.max": "max\n",
            "memory.stat": "anon 2147483648\ninactive_file 536870912\n",
            "memory.pressure": "some avg10=8.00 avg60=0 avg300=0 total=1\n",
        }.items()
    },
    "proc/cpuinfo": (
        "processor\t: 0\nvendor_id\t: AuthenticAMD\nmodel name\t: AMD Ryzen 7 5800X\n\n"
        "processor\t: 1\nvendor_id\t: AuthenticAMD\nmodel name\t: AMD Ryzen 7 5800X\n"
    ),
    "sys/class/dmi/id/product_name": "B550 Board\n",
    "etc/os-release": 'PRETTY_NAME="Debian GNU/Linux 12 (bookworm)"\nID=debian\n',
}

DOCKER_V2: Tree = {
    **MEMINFO,
    "proc/self/cgroup": "0::/\n",
    "proc/self/mountinfo": (
        "735 734 0:62 / / rw,relatime master:300 - overlay overlay rw,lowerdir=/l\n"
        "741 738 0:25 / /sys/fs/cgroup ro,nosuid - cgroup2 cgroup rw,nsdelegate\n"
    ),
    "sys/fs/cgroup/memory.max": "8589934592\n",
    "sys/fs/cgroup/memory.high": "max\n",
    "sys/fs/cgroup/memory.current": "3221225472\n",
    "sys/fs/cgroup/memory.swap.max": "0\n",
    "sys/fs/cgroup/memory.stat": "anon 2147483648\nfile 1073741824\ninactive_file 1073741824\n",
    "sys/fs/cgroup/memory.pressure": (
        "some avg10=12.00 avg60=3.00 avg300=1.00 total=1\n"
        "full avg10=6.50 avg60=1.00 avg300=0.00 total=1\n"
    ),
    "proc/cpuinfo": "processor\t: 0\nBogoMIPS\t: 48.00\nFeatures\t: fp asimd\n",
    "proc/device-tree/model": "Some Board Rev 1.1\0",
}

V1_UNLIMITED = "9223372036854771712\n"
DOCKER_V1: Tree = {
    **MEMINFO,
    "proc/self/cgroup": (
        "12:memory:/docker/4f1c\n5:cpu,cpuacct:/docker/4f1c\n1:name=systemd:/docker/4f1c\n0::/\n"
    ),
    "proc/self/mountinfo": (
        "1250 1242 0:29 /docker/4f1c /sys/fs/cgroup/memory ro master:16 - cgroup cgroup rw,memory\n"
        "1251 1242 0:30 /docker/4f1c /sys/fs/cgroup/cpu ro - cgroup cgroup rw,cpu,cpuacct\n"
    ),
    "sys/fs/cgroup/memory/memory.limit_in_bytes": "4294967296\n",
    "sys/fs/cgroup/memory/memory.usage_in_bytes": "2147483648\n",
    "sys/fs/cgroup/memory/memory.memsw.limit_in_bytes": "6442450944\n",
    "sys/fs/cgroup/memory/memory.stat": (
        "cache 1\ninactive_file 1\nhierarchical_memory_limit 4294967296\n"
        "total_inactive_file 1073741824\n"
    ),
}

# The slice allows 12 GiB, the service in it 16 and slows down at 10.
SYSTEMD_SLICE: Tree = {
    **MEMINFO,
    "proc/self/cgroup": "0::/ai.slice/mlx-gui.service\n",
    "proc/self/mountinfo": "29 22 0:25 / /sys/fs/cgroup rw shared:9 - cgroup2 cgroup2 rw\n",
    "sys/fs/cgroup/ai.slice/memory.max": f"{12 * GIB}\n",
    "sys/fs/cgroup/ai.slice/memory.high": "max\n",
    "sys/fs/cgroup/ai.slice/memory.current": f"{11 * GIB}\n",
    "sys/fs/cgroup/ai.slice/memory.swap.max": f"{2 * GIB}\n",
    "sys/fs/cgroup/ai.slice/memory.stat": f"inactive_file {GIB}\n",
    "sys/fs/cgroup/ai.slice/mlx-gui.service/memory.max": f"{16 * GIB}\n",
    "sys/fs/cgroup/ai.slice/mlx-gui.service/memory.high": f"{10 * GIB}\n",
    "sys/fs/cgroup/ai.slice/mlx-gui.service/memory.current": f"{3 * GIB}\n",
    "sys/fs/cgroup/ai.slice/mlx-gui.service/memory.swap.max": "max\n",
    "sys/fs/cgroup/ai.slice/mlx-gui.service/memory.stat": "inactive_file 0\n",
    "sys/fs/cgroup/ai.slice/mlx-gui.service/memory.pressure": "some avg10=0.00 total=0\n",
}

# lxcfs shows the container's limit as the machine's memory.
LXC: Tree = {
    "proc/meminfo": "MemTotal:        4194304 kB\nMemAvailable:    3145728 kB\n",
    "proc/self/cgroup": "0::/system.slice/mlx-gui.service\n",
    "proc/self/mountinfo": "512 510 0:25 / /sys/fs/cgroup rw,nosuid - cgroup2 none rw\n",
    "sys/fs/cgroup/memory.max": f"{4 * GIB}\n",
    "sys/fs/cgroup/memory.high": "max\n",
    "sys/fs/cgroup/memory.current": f"{2 * GIB}\n",
    "sys/fs/cgroup/memory.swap.max": "max\n",
    "sys/fs/cgroup/memory.stat": f"inactive_file {GIB // 2}\n",
    "sys/fs/cgroup/system.slice/mlx-gui.service/memory.max": "max\n",
    "sys/fs/cgroup/system.slice/mlx-gui.service/memory.high": "max\n",
    "sys/fs/cgroup/system.slice/mlx-gui.service/memory.current": f"{GIB}\n",
    "sys/fs/cgroup/system.slice/mlx-gui.service/memory.swap.max": "max\n",
}

# Version 1 for memory and version 2 beside it without controllers; the limit is the parent's.
HYBRID: Tree = {
    **MEMINFO,
    "proc/self/cgroup": "4:memory:/jobs/one\n1:cpu:/\n0::/\n",
    "proc/self/mountinfo": (
        "35 31 0:32 / /sys/fs/cgroup/memory rw,relatime - cgroup cgroup rw,memory\n"
        "41 31 0:38 / /sys/fs/cgroup/unified rw,relatime - cgroup2 cgroup2 rw\n"
    ),
    "sys/fs/cgroup/unified/cgroup.procs": "1\n",
    "sys/fs/cgroup/memory/memory.limit_in_bytes": V1_UNLIMITED,
    "sys/fs/cgroup/memory/memory.usage_in_bytes": f"{9 * GIB}\n",
    "sys/fs/cgroup/memory/jobs/memory.limit_in_bytes": f"{6 * GIB}\n",
    "sys/fs/cgroup/memory/jobs/memory.usage_in_bytes": f"{5 * GIB}\n",
    "sys/fs/cgroup/memory/jobs/memory.stat": f"total_inactive_file {GIB}\n",
    "sys/fs/cgroup/memory/jobs/one/memory.limit_in_bytes": V1_UNLIMITED,
    "sys/fs/cgroup/memory/jobs/one/memory.usage_in_bytes": f"{GIB}\n",
    "sys/fs/cgroup/memory/jobs/one/memory.memsw.limit_in_bytes": V1_UNLIMITED,
    "sys/fs/cgroup/memory/jobs/one/memory.stat": (
        f"hierarchical_memory_limit {6 * GIB}\ntotal_inactive_file 0\n"
    ),
}
