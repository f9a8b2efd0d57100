"""What became of a step, and what a step is."""

import json
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Literal, Self

Status = Literal["passed", "failed", "not applicable"]
Figure = str | int | float


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a step ended. `said` is why it failed or does not apply, and empty else."""

    status: Status
    figures: Mapping[str, Figure] = field(default_factory=dict[str, Figure])
    said: str = ""

    @classmethod
    def judged(cls, problems: list[str], figures: Mapping[str, Figure]) -> Self:
        """Passed where there are no `problems`."""
        return cls("failed" if problems else "passed", figures, "\n".join(problems))

    def write(self, path: Path) -> None:
        path.write_text(json.dumps(asdict(self)), encoding="utf-8")

    @classmethod
    def read(cls, path: Path) -> Self:
        return cls(**json.loads(path.read_text(encoding="utf-8")))


@dataclass(frozen=True, slots=True)
class Step:
    """One line of the list. `about` says what holds when it passes.

    `run` is called in a process of its own, which may abort; `limit_s` is when it is ended. What
    is `asked_for` shows something on the screen or changes the user's session, and is taken only
    where somebody asks for that.
    """

    name: str
    about: str
    run: Callable[[], Outcome]
    limit_s: float = 900
    asked_for: bool = False


@dataclass(frozen=True, slots=True)
class Taken:
    """A step that was taken, and how long that took."""

    step: Step
    outcome: Outcome
    seconds: float
