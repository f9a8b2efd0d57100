"""A measured Python program in a process of its own: a line of JSON asks, a line answers."""

import json
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from types import TracebackType
from typing import Self

from bench.timing import Ask, Timing

ROOT = Path(__file__).parents[1]


class Child:
    """The program `module`, started. What it prints besides answers belongs on stderr."""

    def __init__(self, module: str, *arguments: str, environment: Mapping[str, str]) -> None:
        self._began_s = time.perf_counter()
        self._process = subprocess.Popen(
            [sys.executable, "-m", module, *arguments],
            cwd=ROOT,
            env=environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def ask(self, ask: Ask) -> Timing:
        """The program's own measurement. Raises RuntimeError when it has ended."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps(ask.fields()) + "\n")
        self._process.stdin.flush()
        line = self._process.stdout.readline()
        if not line:
            raise RuntimeError(f"A measured program ended with code {self._process.wait()}.")
        return Timing(**json.loads(line))

    def age_s(self) -> float:
        """Seconds since the program was started."""
        return time.perf_counter() - self._began_s

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._process.kill()
        self._process.communicate()


def converse(answer: Callable[[Ask], Timing]) -> None:
    """The program's side: answer until nobody asks any more."""
    for line in sys.stdin:
        print(json.dumps(answer(Ask(**json.loads(line))).fields()), flush=True)
