"""Takes steps one after the other, each in a process that may crash or hang without harm."""

import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from scripts.metal_check.outcome import Outcome, Step, Taken
from scripts.metal_check.report import ROOT

_TAIL_CHARACTERS = 8000
_STEP_PROGRAM = ("-m", "scripts.metal_check.one_step")


def take(step: Step, *, program: Sequence[str] = _STEP_PROGRAM) -> Taken:
    """The step's own outcome; where its process crashed, hung or said nothing, a failed one."""
    began_s = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="mlx-gui-check-") as folder:
        told, log = Path(folder, "outcome.json"), Path(folder, "log")
        ended = _run([sys.executable, *program, step.name, str(told)], log, step.limit_s)
        if ended == "" and told.exists():
            outcome = Outcome.read(told)
        else:
            tail = log.read_text(encoding="utf-8", errors="replace")[-_TAIL_CHARACTERS:].strip()
            outcome = Outcome("failed", {}, f"{ended or 'It said nothing.'}\n\n{tail}".strip())
    return Taken(step, outcome, time.monotonic() - began_s)


def _run(command: Sequence[str], log: Path, limit_s: float) -> str:
    """How it ended, in a sentence; empty where it ended well."""
    with log.open("wb") as output:
        process = subprocess.Popen(
            command,
            cwd=ROOT,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        try:
            code = process.wait(limit_s)
        except subprocess.TimeoutExpired:
            return f"It took more than {limit_s:g} s and was ended."
        finally:
            if process.returncode is None:
                # Whatever it has started ends with it.
                os.killpg(process.pid, signal.SIGKILL)
                process.wait()
    if code < 0:
        return f"Its process was ended by {signal.Signals(-code).name}."
    return f"Its process ended with code {code}." if code else ""
