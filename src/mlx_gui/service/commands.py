"""The system's own programs, asked for an answer."""

import os
import shutil
import subprocess
from dataclasses import dataclass

from mlx_gui.service.errors import ServiceError

_DEADLINE_S = 120
"""Longer than an orderly end, which `stop` waits for, and short enough to be told of."""


@dataclass(frozen=True, slots=True)
class Answer:
    """How a program ended. `complaint` is the last line of what it said of errors."""

    code: int
    said: str
    complaint: str


def ask(program: str, *arguments: str, deadline_s: float = _DEADLINE_S) -> Answer:
    """What `program` answers, in English. Raises ServiceError where it cannot be run."""
    try:
        ended = subprocess.run(
            [program, *arguments],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            env={**os.environ, "LC_ALL": "C"},
            timeout=deadline_s,
        )
    except OSError as error:
        raise ServiceError(f"{program} cannot be run: {error.strerror}.") from error
    except subprocess.TimeoutExpired:
        asked = " ".join((program, *arguments))
        raise ServiceError(f"`{asked}` did not end within {deadline_s:g} s.") from None
    said = ended.stdout.decode(errors="replace")
    complaints = ended.stderr.decode(errors="replace").split("\n")
    last = next((line.strip() for line in reversed(complaints) if line.strip()), "")
    return Answer(ended.returncode, said, last)


def ask_well(program: str, *arguments: str, deadline_s: float = _DEADLINE_S) -> Answer:
    """The same; raises ServiceError besides where the program ends with another code than 0."""
    answer = ask(program, *arguments, deadline_s=deadline_s)
    if answer.code != 0:
        asked = " ".join((program, *arguments))
        reason = answer.complaint or f"it ended with code {answer.code}"
        raise ServiceError(f"`{asked}` failed: {reason.rstrip('.')}.")
    return answer


def is_there(program: str) -> bool:
    return shutil.which(program) is not None
