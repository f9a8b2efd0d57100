"""Single workers without a server: real processes, and an observer that remembers."""

import asyncio
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import msgspec

from mlx_gui.control.workers.mailbox import Mailbox
from mlx_gui.control.workers.process import WorkerProcess, WorkerSettings
from mlx_gui.control.workers.weighing import MemoryReturned
from mlx_gui.core.ask import Ask
from mlx_gui.core.errors import ErrorInfo, MlxGuiError
from mlx_gui.core.generation import Event, Failed, GenerateRequest, Usage
from mlx_gui.core.model import LoadSpec, TextOptions
from mlx_gui.core.worker_env import worker_environment
from tests.engines.remote import ask

DEADLINE_S = 120


@dataclass(slots=True)
class Observed:
    """What a worker has told its observer."""

    ready: asyncio.Event = field(default_factory=asyncio.Event)
    progressed: asyncio.Event = field(default_factory=asyncio.Event)
    ended: list[tuple[str, bool]] = field(default_factory=list[tuple[str, bool]])
    error: MlxGuiError | None = None
    weighed: asyncio.Event = field(default_factory=asyncio.Event)
    returned: MemoryReturned | None = None

    def worker_progressed(self, worker: WorkerProcess) -> None:
        self.progressed.set()

    def worker_ready(self, worker: WorkerProcess) -> None:
        self.ready.set()

    def worker_measured(self, worker: WorkerProcess) -> None:
        pass

    def request_begun(self, worker: WorkerProcess, ask: Ask) -> None:
        pass

    def request_advanced(self, worker: WorkerProcess, ask: Ask, events: Sequence[Event]) -> None:
        pass

    def request_ended(self, worker: WorkerProcess, answer_id: str, last: Usage | Failed) -> None:
        self.ended.append((answer_id, isinstance(last, Usage)))

    def request_returned(self, worker: WorkerProcess, answer_id: str, error: ErrorInfo) -> None:
        self.ended.append((answer_id, False))

    def worker_exited(self, worker: WorkerProcess, error: MlxGuiError | None) -> None:
        self.error = error

    def worker_weighed(self, worker: WorkerProcess) -> None:
        self.returned = worker.returned
        self.weighed.set()


def settings(folder: Path, **more: Any) -> WorkerSettings:
    """How a server would start its workers, with a cache in `folder`."""
    environment: Mapping[str, str] = worker_environment(sys.platform)
    return WorkerSettings("auto", str(folder), environment, **more)


def fake_spec(name: str = "echo") -> LoadSpec:
    return LoadSpec(
        f"fake/{name}", "", "text", "mlx_gui.engines.fake.text", "stored", TextOptions(4096, 2)
    )


def text_spec(folder: Path, **more: Any) -> LoadSpec:
    """A real model, as the planner might load it."""
    options = TextOptions(**{"context": 512, "slots": 2, **more})
    return LoadSpec(
        f"test/{folder.name}",
        str(folder),
        "text",
        "mlx_gui.engines.text.engine",
        "float32",
        msgspec.structs.replace(options, kv_pool_tokens=options.slots * options.context),
    )


async def answer(worker: WorkerProcess, request: GenerateRequest) -> list[Event]:
    """All events of `request` from a ready worker."""
    mailbox = Mailbox(stall_s=DEADLINE_S, on_stall=lambda: None)
    worker.answer(Ask("r", request, "chat"), mailbox)
    events: list[Event] = []
    while not events or not isinstance(events[-1], Usage | Failed):
        events.append(await mailbox.get())
    return events


def scripted(text: str) -> GenerateRequest:
    """A request whose message is `text`; see `engines.fake.text` for scripts."""
    return ask(text)
