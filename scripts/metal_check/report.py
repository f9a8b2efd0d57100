"""The report of a run, to be read and to be sent: markdown and JSON, with nobody's name in it."""

import json
import platform
import re
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import psutil

from mlx_gui.control.machine.platforms import machine_reader
from mlx_gui.version import __version__
from scripts.metal_check.outcome import Figure, Status, Taken

ROOT = Path(__file__).parents[2]
_PACKAGES = ("mlx", "mlx-metal", "mlx-lm", "mlx-vlm", "mlx-audio", "transformers", "numpy")
_SHOWN_CHARACTERS = 6000
_MARKS: Mapping[Status, str] = {"passed": "ok", "failed": "**FAILED**", "not applicable": "n/a"}


@dataclass(frozen=True, slots=True)
class Report:
    """All that is to be known of a run."""

    made_at: str
    machine: Mapping[str, Figure]
    versions: Mapping[str, str]
    taken: Sequence[Taken]

    @property
    def passed(self) -> bool:
        """Whether nothing failed, and something was tried."""
        statuses = [each.outcome.status for each in self.taken]
        return "failed" not in statuses and "passed" in statuses

    def count(self, status: Status) -> int:
        return sum(each.outcome.status == status for each in self.taken)

    def as_json(self) -> str:
        steps = [
            {
                "name": each.step.name,
                "about": each.step.about,
                "seconds": round(each.seconds, 1),
                **asdict(each.outcome),
            }
            for each in self.taken
        ]
        whole = {
            "made_at": self.made_at,
            "passed": self.passed,
            "machine": dict(self.machine),
            "versions": dict(self.versions),
            "steps": steps,
        }
        return without_places(json.dumps(whole, indent=2, ensure_ascii=False)) + "\n"

    def as_markdown(self) -> str:
        counts = ", ".join(
            f"{self.count(status)} {status}" for status in ("passed", "failed", "not applicable")
        )
        lines = [f"# Metal check: {counts}", "", f"Made {self.made_at}.", ""]
        facts = [*self.machine.items(), *self.versions.items()]
        lines += ["| | |", "|---|---|", *(f"| {name} | {_cell(text)} |" for name, text in facts)]
        lines += ["", "| step | | s | figures |", "|---|---|---|---|"]
        lines += [self._row(each) for each in self.taken]
        for each in self.taken:
            if each.outcome.said:
                lines += ["", f"## {each.step.name}: {each.outcome.status}", "", each.step.about]
                lines += ["", "```text", each.outcome.said[-_SHOWN_CHARACTERS:], "```"]
        return without_places("\n".join(lines)) + "\n"

    def _row(self, taken: Taken) -> str:
        figures = "; ".join(f"{name} {text}" for name, text in taken.outcome.figures.items())
        mark = _MARKS[taken.outcome.status]
        return f"| {taken.step.name} | {mark} | {taken.seconds:.1f} | {_cell(figures)} |"


def report_of(taken: Sequence[Taken]) -> Report:
    """With this machine and what is installed on it."""
    identity = machine_reader().identify()
    machine: dict[str, Figure] = {
        "system": identity.system,
        "architecture": platform.machine(),
        "model": identity.model or "not told",
        "chip": identity.chip or "not told",
        "cores": identity.cores or psutil.cpu_count() or 0,
        "memory_bytes": psutil.virtual_memory().total,
    }
    versions = {"mlx-gui": __version__, "commit": _commit(), "python": platform.python_version()}
    for package in _PACKAGES:
        try:
            versions[package] = version(package)
        except PackageNotFoundError:
            continue
    made_at = datetime.now(UTC).isoformat(timespec="seconds")
    return Report(made_at, machine, versions, taken)


def without_places(text: str) -> str:
    """`text` without the folder of the clone and the user's home, which nobody has to send."""
    for place, name in ((str(ROOT), "."), (str(Path.home()), "~")):
        text = re.sub(rf"{re.escape(place)}(?=[/\s\"':]|$)", name, text)
    return text


def _cell(text: Figure) -> str:
    return str(text).replace("|", "\\|").replace("\n", " ")


def _commit() -> str:
    try:
        told = subprocess.run(
            ["git", "describe", "--always", "--dirty"], cwd=ROOT, capture_output=True, text=True
        )
    except OSError:
        return "not told"
    return told.stdout.strip() or "not told"
