"""Why a process ended: from its exit code, its last words and what the kernel counted."""

import signal
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from mlx_gui.core.exhaustion import says_out_of_memory

ExitCause = Literal["clean", "out_of_memory", "metal", "killed", "crashed", "protocol"]
_LAST_LINES = 20
_SHELLS_BASE = 128
"""A shell or boot loader in between tells of its own child's signal by this and its number."""
_KILLING = (signal.SIGKILL, signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGQUIT)
_BAD_ADDRESS = (signal.SIGSEGV, signal.SIGBUS)


@dataclass(frozen=True, slots=True)
class Diagnosis:
    """`reason` is the end of a sentence that begins with the process: "was killed by hand"."""

    cause: ExitCause
    reason: str


def diagnose_exit(
    returncode: int,
    output_tail: Sequence[str],
    *,
    oom_killed: bool = False,
    limited: bool = False,
) -> Diagnosis:
    """Why a process ended. `oom_killed` is the kernel's evidence, which nothing printed can be.

    A process that is killed may have survived a shortage long before; one that aborts speaks of
    what has just happened. One whose memory is `limited` may say nothing: on a processor MLX takes
    what it is refused for an address, and dies of it. Without a limit Linux refuses nothing.
    """
    if returncode - _SHELLS_BASE in signal.valid_signals():
        returncode = _SHELLS_BASE - returncode
    if returncode == 0:
        return Diagnosis("clean", "ended by itself")
    if returncode == -signal.SIGKILL:
        if oom_killed:
            return Diagnosis("out_of_memory", "was killed by the system for lack of memory")
        return Diagnosis("killed", "was killed (SIGKILL), by hand or by the system")
    said = " ".join(output_tail[-_LAST_LINES:])
    if says_out_of_memory(said):
        return Diagnosis("out_of_memory", "ran out of memory")
    if limited and -returncode in _BAD_ADDRESS:
        name = _signal_name(-returncode)
        return Diagnosis("out_of_memory", f"was refused memory beyond its limit ({name})")
    if "command buffer" in said.lower() and "metal" in said.lower():
        return Diagnosis("metal", "was ended by a Metal command buffer error")
    if returncode < 0:
        reason = f"was killed by signal {-returncode} ({_signal_name(-returncode)})"
        return Diagnosis("killed" if -returncode in _KILLING else "crashed", reason)
    last = next((line for line in reversed(output_tail) if line.strip()), "")
    reason = f"ended with code {returncode}" + (f": {last.strip()[:300]}" if last else "")
    return Diagnosis("crashed", reason)


def oom_kills(root: Path = Path("/")) -> int | None:
    """Processes that the kernel has killed for lack of memory; None where it does not say.

    Those of our own control group, where our children are as well, else of the whole machine.
    """
    groups = _text(root / "proc/self/cgroup").splitlines()
    for file in [*_group_files(root, groups), root / "proc/vmstat"]:
        for line in _text(file).splitlines():
            name, _, count = line.partition(" ")
            if name == "oom_kill" and count.isdigit():
                return int(count)
    return None


def _group_files(root: Path, groups: Sequence[str]) -> list[Path]:
    """Where the control groups of either version count; a container may see its own as the root."""
    files: list[Path] = []
    for line in groups:
        _, _, rest = line.partition(":")
        controllers, _, group = rest.partition(":")
        for folder in (group.strip("/"), ""):
            if controllers == "":
                files.append(root / "sys/fs/cgroup" / folder / "memory.events")
            elif "memory" in controllers.split(","):
                files.append(root / "sys/fs/cgroup/memory" / folder / "memory.oom_control")
    return files


def _text(file: Path) -> str:
    try:
        return file.read_text(encoding="utf-8")
    except OSError:
        return ""


def _signal_name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return "unknown"
