"""Fake effects for the run loop: workers without processes, driven by the test."""

from typing import Any

from mlx_gui.control.mailbox import Mailbox
from mlx_gui.control.returned import MemoryReturned
from mlx_gui.control.worker_process import WorkerObserver, WorkerPhase
from mlx_gui.core.ask import Ask
from mlx_gui.core.errors import ContextTooLong, ErrorInfo, LoadFailed, MlxGuiError, WorkerFailed
from mlx_gui.core.generation import Delta, Done, Failed, GenerateRequest, Usage, WorkerRequest
from mlx_gui.core.model import KVLayout, LoadSpec, MemoryNeed, MemoryUse, Model, ModelFacts
from mlx_gui.ipc.child import ChildExit
from mlx_gui.ipc.messages import LoadProgress, Pong, Ready

FACTS = ModelFacts("text", "fake", ("chat",), 4096, 1, 1, 1, KVLayout(1))
REQUEST = GenerateRequest(())


def asked(id: str, request: WorkerRequest = REQUEST, **more: Any) -> Ask:
    """What the run loop is asked, by somebody unless `more` says more."""
    return Ask(id, request, "chat", **more)


def model(name: str) -> Model:
    return Model(name, "", FACTS, None, 0, "2026-01-01T00:00:00+00:00")


def need(total_bytes: int) -> MemoryNeed:
    return MemoryNeed(total_bytes, 0, 0, total_bytes)


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
        self.answered: set[str] = set()
        self.deaf = False
        """It takes no notice of a cancel."""
        self.stops = 0
        self.reclaims = 0
        self.returned: MemoryReturned | None = None
        self._observer = observer

    def become_ready(self, *, load_ms: float = 1.0) -> None:
        self.phase = "ready"
        self.memory = MemoryUse(0, 0, 0, 0)
        self.ready = Ready(self.spec.slots, self.memory, load_ms)
        self._observer.worker_ready(self)  # pyright: ignore[reportArgumentType]

    def say(self, request_id: str) -> None:
        """Something of the answer comes."""
        self.answered.add(request_id)
        self.running[request_id].put(Delta(0, "text"))

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
        for event in (Delta(0, "text"), Done(0, "stop"), Usage(1, 1)):
            mailbox.put(event)
        self._observer.request_ended(self, request_id, True)  # pyright: ignore[reportArgumentType]

    def end(self, error: MlxGuiError | None = None) -> None:
        """The process is gone; with `error` nobody had asked for that."""
        self.phase = "stopped"
        told = error or WorkerFailed("unloaded")
        for request_id, mailbox in self.running.items():
            if error is not None and request_id not in self.answered:
                self._observer.request_returned(self, request_id, told.info())  # pyright: ignore[reportArgumentType]
                continue
            mailbox.put(Failed(told.info()))
            self._observer.request_ended(self, request_id, False)  # pyright: ignore[reportArgumentType]
        self.running.clear()
        self._observer.worker_exited(self, error)  # pyright: ignore[reportArgumentType]
        if error is None:
            self.returned = MemoryReturned(10, 0, 10)
        self._observer.worker_weighed(self)  # pyright: ignore[reportArgumentType]

    def crash(self) -> None:
        name = self.spec.model_id
        self.end(LoadFailed(name) if self.ready is None else WorkerFailed(name))

    # --- what the run loop calls ---

    def answer(self, ask: Ask, mailbox: Mailbox) -> None:
        self.running[ask.id] = mailbox

    def cancel(self, request_id: str) -> None:
        if not self.deaf and (mailbox := self.running.pop(request_id, None)) is not None:
            mailbox.put(Done(0, "cancelled"))
            mailbox.put(Usage(1, 0))
            self._observer.request_ended(self, request_id, True)  # pyright: ignore[reportArgumentType]

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
