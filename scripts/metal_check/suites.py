"""Steps that are tests of the suite, run on whatever device MLX has here."""

import os
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import cast
from xml.etree import ElementTree

from scripts.metal_check.outcome import Figure, Outcome
from scripts.metal_check.report import ROOT

_TAIL_CHARACTERS = 6000
_NONE_COLLECTED = 5


def suite(*nodes: str) -> Outcome:
    """Runs the tests `nodes`, as pytest names them. Not applicable where all were skipped."""
    with tempfile.TemporaryDirectory(prefix="mlx-gui-suite-") as folder:
        results = Path(folder, "results.xml")
        command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-ra"]
        ran = subprocess.run(
            [*command, f"--junit-xml={results}", *nodes],
            cwd=ROOT,
            env={**os.environ, "PYTHONDONTWRITEBYTECODE": "1"},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
        )
        tail = ran.stdout[-_TAIL_CHARACTERS:]
        if not results.exists() or ran.returncode not in (0, 1, _NONE_COLLECTED):
            return Outcome("failed", {}, f"pytest ended with code {ran.returncode}.\n\n{tail}")
        return judge(results.read_text(encoding="utf-8"), tail)


def judge(results: str, tail: str) -> Outcome:
    """What JUnit's XML says; `tail` is what is shown of a failure."""
    cases = list(ElementTree.fromstring(results).iter("testcase"))
    failed = [case for case in cases if _has(case, ("failure", "error"))]
    skipped = [case for case in cases if _has(case, ("skipped",))]
    figures: dict[str, Figure] = {
        "passed": len(cases) - len(failed) - len(skipped),
        "failed": len(failed),
        "skipped": len(skipped),
    }
    if failed or not cases:
        named = [f"{case.get('classname')}::{case.get('name')}" for case in failed]
        return Outcome("failed", figures, "\n".join([*named, "", tail]).strip())
    if len(skipped) == len(cases):
        reasons = {cast("str", each.get("message", "")) for each in _all(skipped)}
        return Outcome("not applicable", figures, "\n".join(sorted(reasons)))
    return Outcome("passed", figures)


def _has(case: ElementTree.Element, tags: Sequence[str]) -> bool:
    return any(case.find(tag) is not None for tag in tags)


def _all(skipped: Sequence[ElementTree.Element]) -> list[ElementTree.Element]:
    return [each for case in skipped for each in case.findall("skipped")]
