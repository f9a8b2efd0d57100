"""Fake effects for the run loop: workers without processes, driven by the test."""

from collections.abc import Sequence
from typing import Any

from mlx_gui.control.workers.mailbox import Mailbox
from mlx_gui.control.workers.process import WorkerObserver, WorkerPhase
from mlx_gui.control.workers.weighing import MemoryReturned
from mlx_gui.core.ask import Ask, RequestEnd
from mlx_gui.core.errors import ContextTooLong, ErrorInfo, LoadFailed, MlxGuiError, WorkerFailed
from mlx_gui.core.generation import (
    Delta,
    Done,
    Event,
    Failed,
    GenerateRequest,
    Usage,
    WorkerRequest,
)
from mlx_gui.core.model import (
    KVLayout,
    LoadSpec,
    MemoryNeed,
    MemoryUse,
    Model,
    ModelFacts,
    TextFacts,
)
from mlx_gui.ipc.child import ChildExit
from mlx_gui.ipc.messages import LoadProgress, Pong, Ready

FACTS = ModelFacts("text", "fake", ("chat",), 1, 1, 1, TextFacts(4096, KVLayout(1)))
REQUEST = GenerateRequest(())
USAGE, DROPPED = Usage(1, 1), Usage(1, 0)
"""Of an answer, and of one that was cancelled."""


def asked(id: str, request: WorkerRequest = REQUEST, **more: Any) -> Ask:
    """What the run loop is asked, by somebody unless `more` says more."""
    return Ask(id, request, "chat", **more)


def model(name: str) -> Model:
    return Model(name, "", FACTS, None, 0, "2026-01-01T00:00:00+00:00")


def need(total_bytes: int) -> MemoryNeed:
    return MemoryNeed(total_bytes, 0, 0, total_bytes)


class Told:
    """An observer that remembers, in order, what it is told of each request."""

    def __init__(self) -> None:
        self.of: dict[str, list[str | RequestEnd]] = {}
        self.wrong: list[str] = []
        """What must not happen; the run loop goes on whatever an observer raises."""

    @property
    def unended(self) -> list[str]:
        return [id for id in self.of if self.end(id) is None]

    def submitted(self, ask: Ask, model_id: str) -> None:
        if ask.id in self.of:
            self.wrong.append(f"{ask.id} is submitted twice")
        self.of[ask.id] = ["submitted"]

    def granted(self, ask: Ask) -> None:
        self._tell(ask, "granted")

    def begun(self, ask: Ask) -> None:
        self._tell(ask, "begun")

    def advanced(self, ask: Ask, events: Sequence[Event]) -> None:
        if self.end(ask.id) is not None:
            self.wrong.append(f"{events} of {ask.id} after its end")

    def ended(self, ask: Ask, end: RequestEnd) -> None:
        self._tell(ask, end)

    def end(self, id: str) -> RequestEnd | None:
        """How the request ended; None while it has not."""
        last = self.of[id][-1]
        return last if isinstance(last, RequestEnd) else None

    def steps(self, id: str) -> list[str]:
        """What came of the request before its end."""
        return [each for each in self.of[id] if isinstance(each, str)]

    def _tell(self, ask: Ask, what: str | RequestEnd) -> None:
        if self.end(ask.id) is not None:
            self.wrong.append(f"{what} of {ask.id} after its end")
        self.of[ask.id].append(what)


class ScriptedWorker:
    """What `WorkerProcess` is to the run loop; the test says when things happen."""

    def __init__(self, spec: LoadSpec, observer: WorkerObserver) -> None:
        self.spec = spec
        self.phase: WorkerPhase = "loading"
        self.ready: Ready | None = None
        self.memory: MemoryUse | None = None
        self.progress: LoadProgress | None = None
        self.exit: ChildExit | None = None
        self.pid = None
        self.running: dict[str, Mailbox] = {}
        self.asks: dict[str, Ask] = {}
        self.answered: set[str] = set()
        self.deaf = False
        """It takes no notice of a cancel."""
        self.served = 0
        self.stops = 0
        self.reclaims = 0
        self.returned: MemoryReturned | None = None
        self._observer = observer

    def become_ready(self, *, load_ms: float = 1.0) -> None:
        self.phase = "ready"
        self.memory = MemoryUse(0, 0, 0, 0)
        self.ready = Ready(self.spec.text.slots, self.memory, load_ms)
        self._observer.worker_ready(self)  # pyright: ignore[reportArgumentType]

    def say(self, request_id: str) -> None:
        """Something of the answer comes."""
        self.running[request_id].put(Delta(0, "text"))
        self._begin(request_id)

    def find_too_long(self, request_id: str, prompt_tokens: int) -> None:
        """The prompt does not fit, which is the first that is said of it."""
        del self.running[request_id]
        told = ContextTooLong(
            "The prompt is too long.",
            details={"prompt_tokens": prompt_tokens, "context_tokens": self.spec.context},
        )
        self._observer.request_returned(self, request_id, told.info())  # pyright: ignore[reportArgumentType]

    def finish(self, request_id: str) -> None:
        mailbox = self.running.pop(request_id)
        for event in (Delta(0, "text"), Done(0, "stop"), USAGE):
            mailbox.put(event)
        self.served += 1
        self._begin(request_id)
        self._observer.request_ended(self, request_id, USAGE)  # pyright: ignore[reportArgumentType]

    def end(self, error: MlxGuiError | None = None) -> None:
        """The process is gone; with `error` nobody had asked for that."""
        self.phase = "stopped"
        told = error or WorkerFailed("unloaded")
        for request_id, mailbox in self.running.items():
            if error is not None and request_id not in self.answered:
                self._observer.request_returned(self, request_id, told.info())  # pyright: ignore[reportArgumentType]
                continue
            last = Failed(told.info())
            mailbox.put(last)
            self._observer.request_ended(self, request_id, last)  # pyright: ignore[reportArgumentType]
        self.running.clear()
        self._observer.worker_exited(self, error)  # pyright: ignore[reportArgumentType]
        if error is None:
            self.returned = MemoryReturned(10, 0, 10)
        self._observer.worker_weighed(self)  # pyright: ignore[reportArgumentType]

    def crash(self) -> None:
        name = self.spec.model_id
        self.end(LoadFailed(name) if self.ready is None else WorkerFailed(name))

    def _begin(self, request_id: str) -> None:
        if request_id not in self.answered:
            self.answered.add(request_id)
            self._observer.request_begun(self, self.asks[request_id])  # pyright: ignore[reportArgumentType]

    # --- what the run loop calls ---

    def answer(self, ask: Ask, mailbox: Mailbox) -> None:
        self.running[ask.id], self.asks[ask.id] = mailbox, ask

    def cancel(self, request_id: str) -> None:
        if not self.deaf and (mailbox := self.running.pop(request_id, None)) is not None:
            mailbox.put(Done(0, "cancelled"))
            mailbox.put(DROPPED)
            self._observer.request_ended(self, request_id, DROPPED)  # pyright: ignore[reportArgumentType]

    def measure(self) -> None:
        pass

    def reclaim(self) -> None:
        self.reclaims += 1

    async def ping(self, timeout_s: float) -> Pong:
        raise NotImplementedError

    def stop(self) -> None:
        self.phase = "stopping"
        self.stops += 1

    async def wait(self) -> None:
        if self.phase != "stopped":
            self.end()


def error_of(mailbox_event: object) -> ErrorInfo:
    assert isinstance(mailbox_event, Failed)
    return mailbox_event.error
