"""`mlx-gui` whose workers note the engine's own time: python -m bench.tapped FILE ARGUMENT…

The engine's own is what `prepare`, `admit` and each `step` up to the first text took: a line in
FILE for each request, in milliseconds. Good for one request at a time.
"""

import sys
import time
from pathlib import Path
from typing import Any

from mlx_gui.__main__ import main
from mlx_gui.core.generation import Delta
from mlx_gui.engines.base import StepEvents
from mlx_gui.ipc import spawn
from mlx_gui.worker import loop


def start_children_tapped(notes: str) -> None:
    """Have the server start its children as this program, too."""

    def child_argv(role: spawn.Role, channel_fd: int) -> list[str]:
        program = [sys.executable, "-m", "bench.tapped", notes]
        return [*program, "--role", role, "--channel", str(channel_fd)]

    spawn.child_argv = child_argv


def tap_engines(notes: Path) -> None:
    """Have this process's engines note their time; they are imported after the BLAS is open."""
    prepare_process = loop.prepare_process

    def prepare_and_tap(blas: str, cache_dir: Path) -> object:
        facts = prepare_process(blas, cache_dir)
        from mlx_gui.engines.fake.text import FakeEngine
        from mlx_gui.engines.text.engine import TextEngine

        for engine in (FakeEngine, TextEngine):
            _tap(engine, notes)
        return facts

    loop.prepare_process = prepare_and_tap


def _tap(engine: type, notes: Path) -> None:
    spent_s = 0.0

    def timed(name: str) -> None:
        method = getattr(engine, name)

        def measured(self: object, *arguments: Any) -> Any:
            nonlocal spent_s
            began_s = time.perf_counter()
            result = method(self, *arguments)
            before_s = 0.0 if name == "prepare" else spent_s
            spent_s = before_s + time.perf_counter() - began_s
            if name == "step" and _has_text(result):
                with notes.open("a", encoding="utf-8") as file:
                    file.write(f"{spent_s * 1000}\n")
            return result

        setattr(engine, name, measured)

    for name in ("prepare", "admit", "step"):
        timed(name)


def _has_text(stepped: list[StepEvents]) -> bool:
    return any(isinstance(event, Delta) for step in stepped for event in step.events)


if __name__ == "__main__":
    notes_file = sys.argv.pop(1)
    if "--role" in sys.argv:
        tap_engines(Path(notes_file))
    else:
        start_children_tapped(notes_file)
    main()
