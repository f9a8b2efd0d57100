"""One worker's life, from its start to its exit, and the requests that it answers."""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, Protocol

from mlx_gui.control.mailbox import Mailbox
from mlx_gui.control.returned import MemoryReturned
from mlx_gui.core.errors import ErrorInfo, LoadFailed, MlxGuiError, WorkerFailed, from_info
from mlx_gui.core.generation import Failed, GenerationEvent, Usage, WorkerRequest
from mlx_gui.core.model import LoadSpec, MemoryUse
from mlx_gui.ipc.child import Child, ChildExit
from mlx_gui.ipc.messages import (
    PROTOCOL_VERSION,
    Cancel,
    FromChild,
    Generate,
    LoadProgress,
    Output,
    Ping,
    Pong,
    Ready,
    Reclaim,
    StartFailed,
    StartWorker,
)

_STOP_ASK_S = 5.0
_STOP_TERMINATE_S = 3.0

WorkerPhase = Literal["starting", "loading", "ready", "stopping", "stopped"]


class WorkerObserver(Protocol):
    """Who decides about a worker; called on the event loop, must not block."""

    def worker_progressed(self, worker: "WorkerProcess") -> None: ...
    def worker_ready(self, worker: "WorkerProcess") -> None: ...
    def worker_measured(self, worker: "WorkerProcess") -> None: ...
    def request_ended(self, worker: "WorkerProcess", request_id: str, finished: bool) -> None: ...
    def worker_exited(self, worker: "WorkerProcess", error: MlxGuiError | None) -> None: ...


@dataclass(frozen=True, slots=True)
class WorkerSettings:
    """What every worker of this server starts with."""

    blas: str
    cache_dir: str
    environment: Mapping[str, str]


class WorkerProcess:
    """A process that holds one LoadSpec.

    Fields are read by the run loop and written by this object's own task only.
    """

    def __init__(self, spec: LoadSpec, settings: WorkerSettings, observer: WorkerObserver) -> None:
        self.spec = spec
        self.phase: WorkerPhase = "starting"
        self.ready: Ready | None = None
        self.memory: MemoryUse | None = None
        self.progress: LoadProgress | None = None
        self.exit: ChildExit | None = None
        self.returned: MemoryReturned | None = None
        self._settings = settings
        self._observer = observer
        self._child: Child | None = None
        self._start_error: ErrorInfo | None = None
        self._mailboxes: dict[str, Mailbox] = {}
        self._pings: dict[int, asyncio.Future[Pong]] = {}
        self._next_nonce = 0
        self._stop_requested = asyncio.Event()
        self._task = asyncio.create_task(self._live(), name=f"worker-{spec.model_id}")

    @property
    def pid(self) -> int | None:
        return self._child.pid if self._child is not None and self.exit is None else None

    def generate(self, request_id: str, request: WorkerRequest, mailbox: Mailbox) -> None:
        """Start a request on a ready worker; its events go to `mailbox`."""
        assert self._child is not None, "only a ready worker is given requests"
        self._mailboxes[request_id] = mailbox
        self._child.send(Generate(request_id, request))

    def cancel(self, request_id: str) -> None:
        """Ask the worker to drop a request; its lease ends when the worker says so."""
        if request_id in self._mailboxes and self._child is not None:
            self._child.send(Cancel(request_id))

    def measure(self) -> None:
        """Ask what the worker holds now; `worker_measured` follows."""
        if self._child is not None:
            self._child.send(Ping(0))

    def reclaim(self) -> None:
        """Ask the worker for what it keeps for later requests; `worker_measured` follows."""
        if self._child is not None:
            self._child.send(Reclaim())

    async def ping(self, timeout_s: float) -> Pong:
        """The MLX thread's answer. Raises WorkerFailed when none comes in time."""
        if self._child is None or self.phase in ("stopping", "stopped"):
            raise WorkerFailed(f"The worker of {self.spec.model_id} is not running.")
        self._next_nonce += 1
        nonce = self._next_nonce
        answer: asyncio.Future[Pong] = asyncio.get_running_loop().create_future()
        self._pings[nonce] = answer
        self._child.send(Ping(nonce))
        try:
            return await asyncio.wait_for(answer, timeout_s)
        except TimeoutError:
            raise WorkerFailed(
                f"The worker of {self.spec.model_id} did not answer within {timeout_s:g} s.",
                hint="It may be stuck; unload the model to end it.",
            ) from None
        finally:
            self._pings.pop(nonce, None)

    def stop(self) -> None:
        """Begin to end the worker; `worker_exited` follows."""
        if self.phase != "stopped":
            self.phase = "stopping"
            self._stop_requested.set()

    async def wait(self) -> None:
        """Until the worker has ended and its observer knows."""
        await asyncio.shield(self._task)

    async def _live(self) -> None:
        error: MlxGuiError | None
        try:
            first = StartWorker(
                PROTOCOL_VERSION, self.spec, self._settings.blas, self._settings.cache_dir
            )
            self._child = await Child.start("worker", first, self._settings.environment)
        except OSError as problem:
            error = LoadFailed(f"No worker could be started for {self.spec.model_id}: {problem}")
        else:
            await self._converse(self._child)
            error = self._explain_exit()
        self.phase = "stopped"
        self._fail_open_requests(error)
        self._observer.worker_exited(self, error)

    async def _converse(self, child: Child) -> None:
        listening = asyncio.create_task(self._listen(child))
        stopping = asyncio.create_task(self._stop_requested.wait())
        await asyncio.wait((listening, stopping), return_when=asyncio.FIRST_COMPLETED)
        # A child whose channel is closed is ending or broken: the ladder fits both.
        # A load cannot be asked to stop: it holds the thread that would hear it.
        ask_s = _STOP_ASK_S if self.ready is not None else 0
        self.exit = await child.stop(ask_s=ask_s, terminate_s=_STOP_TERMINATE_S)
        stopping.cancel()
        await listening

    async def _listen(self, child: Child) -> None:
        async for message in child.messages():
            self._on_message(message)

    def _on_message(self, message: FromChild) -> None:
        match message:
            case Output(requests):
                for request in requests:
                    self._deliver(request.request_id, request.events)
            case LoadProgress():
                self.progress = message
                if self.phase == "starting":
                    self.phase = "loading"
                self._observer.worker_progressed(self)
            case Ready(memory=memory):
                self.ready, self.memory = message, memory
                if self.phase != "stopping":
                    self.phase = "ready"
                    self._observer.worker_ready(self)
            case Pong(nonce, memory):
                self.memory = memory
                if (answer := self._pings.get(nonce)) is not None and not answer.done():
                    answer.set_result(message)
                self._observer.worker_measured(self)
            case StartFailed(error):
                self._start_error = error
            case _:
                pass

    def _deliver(self, request_id: str, events: tuple[GenerationEvent, ...]) -> None:
        mailbox = self._mailboxes.get(request_id)
        if mailbox is None:
            return
        for event in events:
            mailbox.put(event)
        if mailbox.closed:
            del self._mailboxes[request_id]
            finished = isinstance(events[-1], Usage)
            self._observer.request_ended(self, request_id, finished)

    def _explain_exit(self) -> MlxGuiError | None:
        """The error of an exit that nobody asked for; None otherwise."""
        if self._start_error is not None:
            return from_info(self._start_error)
        if self._stop_requested.is_set() or self.exit is None:
            return None
        name = self.spec.model_id
        if self.ready is None:
            return LoadFailed(
                f"Loading {name} failed: its worker {self.exit.reason}.",
                hint="The server's log has the worker's last lines.",
            )
        return WorkerFailed(
            f"The worker of {name} {self.exit.reason}.",
            hint="The next request loads the model again.",
        )

    def _fail_open_requests(self, error: MlxGuiError | None) -> None:
        if error is None:
            error = WorkerFailed(f"{self.spec.model_id} was unloaded while it was answering.")
        open_requests, self._mailboxes = self._mailboxes, {}
        for request_id, mailbox in open_requests.items():
            mailbox.put(Failed(error.info()))
            self._observer.request_ended(self, request_id, False)
        for answer in self._pings.values():
            if not answer.done():
                answer.set_exception(error)
