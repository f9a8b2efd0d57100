"""One worker's life, from its start to its exit, and the requests that it answers."""

import asyncio
import signal
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, Protocol

import structlog

from mlx_gui.config import Config
from mlx_gui.control.workers.liveness import Liveness
from mlx_gui.control.workers.mailbox import Mailbox
from mlx_gui.control.workers.weighing import MemoryReturned, memory_returned, weighed
from mlx_gui.core.ask import Ask
from mlx_gui.core.errors import (
    ContextTooLong,
    ErrorInfo,
    LoadFailed,
    MlxGuiError,
    ProgramGone,
    WorkerFailed,
    WorkerOutOfMemory,
    from_info,
)
from mlx_gui.core.generation import (
    Delta,
    Done,
    Event,
    Failed,
    Prefill,
    Prepared,
    Usage,
)
from mlx_gui.core.model import LoadSpec, MemoryUse
from mlx_gui.core.program import explained
from mlx_gui.core.worker_env import worker_environment
from mlx_gui.ipc.child import Child, ChildExit
from mlx_gui.ipc.messages import (
    PROTOCOL_VERSION,
    Cancel,
    FromChild,
    LoadProgress,
    Output,
    Ping,
    Pong,
    Ready,
    Reclaim,
    RequestEvents,
    StartFailed,
    StartRequest,
    StartWorker,
)

log: structlog.stdlib.BoundLogger = structlog.get_logger(__name__)

_NAMES_KEPT = 1_000
_NO_ANSWER = (Prepared, Prefill, Done, Usage, Failed)
"""The events of a worker that are no part of an answer."""
_STOP_ASK_S = 5.0
_STOP_TERMINATE_S = 3.0

WorkerPhase = Literal["starting", "loading", "ready", "stopping", "stopped"]


class WorkerObserver(Protocol):
    """Who decides about a worker; called on the event loop, must not block."""

    def worker_progressed(self, worker: "WorkerProcess") -> None: ...
    def worker_ready(self, worker: "WorkerProcess") -> None: ...
    def worker_measured(self, worker: "WorkerProcess") -> None: ...
    def request_begun(self, worker: "WorkerProcess", ask: Ask) -> None: ...
    def request_advanced(
        self, worker: "WorkerProcess", ask: Ask, events: Sequence[Event]
    ) -> None: ...
    def request_ended(
        self, worker: "WorkerProcess", answer_id: str, last: Usage | Failed
    ) -> None: ...
    def request_returned(
        self, worker: "WorkerProcess", answer_id: str, error: ErrorInfo
    ) -> None: ...
    def worker_exited(self, worker: "WorkerProcess", error: MlxGuiError | None) -> None: ...
    def worker_weighed(self, worker: "WorkerProcess") -> None: ...


@dataclass(slots=True)
class OpenRequest:
    """A request that the worker has. `answered` says that something came back of it, `begun` that
    some of its answer did."""

    ask: Ask
    mailbox: Mailbox
    answered: bool = False
    begun: bool = False


@dataclass(frozen=True, slots=True)
class WorkerSettings:
    """What every worker of this server starts with."""

    blas: str
    cache_dir: str
    environment: Mapping[str, str]
    hang_timeout_s: float = 60.0
    memory_limit_bytes: int = 0

    @classmethod
    def of(cls, config: Config) -> "WorkerSettings":
        """What the settings of the server say; makes its private folders."""
        cache_dir = config.data_dir / "cache"
        cache_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
        return cls(
            blas=config.blas,
            cache_dir=str(cache_dir),
            environment=worker_environment(sys.platform),
            hang_timeout_s=config.hang_timeout_s,
            memory_limit_bytes=config.worker_memory_limit_bytes,
        )


class WorkerProcess:
    """A process that holds one LoadSpec, a new one or `child`, which has imported its engine.

    Fields are read by the run loop and written by this object's own task only. `served` counts the
    answered requests. `returned` is there soon after a stop. `worker_weighed` follows each end, at
    once where nothing could be weighed.
    """

    def __init__(
        self,
        spec: LoadSpec,
        settings: WorkerSettings,
        observer: WorkerObserver,
        *,
        child: Child | None = None,
    ) -> None:
        self.spec = spec
        self.phase: WorkerPhase = "starting"
        self.ready: Ready | None = None
        self.memory: MemoryUse | None = None
        self.progress: LoadProgress | None = None
        self.exit: ChildExit | None = None
        self.returned: MemoryReturned | None = None
        self.served = 0
        self._settings = settings
        self._observer = observer
        self._child = child
        self._liveness: Liveness | None = None
        self._hung = False
        self._stuck: str | None = None
        """The request whose preparation stood still."""
        self._start_error: ErrorInfo | None = None
        self._open: dict[str, OpenRequest] = {}
        self._logged_as: dict[str, str] = {}
        """How the log names the latest requests: what is printed about one may come behind it."""
        self._pings: dict[int, asyncio.Future[Pong]] = {}
        self._next_nonce = 0
        self._stop_requested = asyncio.Event()
        self._ended = asyncio.Event()
        self._weights: tuple[int, int] | None = None
        self._task = asyncio.create_task(self._live(), name=f"worker-{spec.model_id}")

    @property
    def pid(self) -> int | None:
        return self._child.pid if self._child is not None and self.exit is None else None

    def answer(self, ask: Ask, mailbox: Mailbox) -> None:
        """Start a request on a ready worker; its events go to `mailbox`."""
        assert self._child is not None, "only a ready worker is given requests"
        self._open[ask.id] = OpenRequest(ask, mailbox)
        if ask.request_id:
            self._logged_as[ask.id] = ask.request_id
            if len(self._logged_as) > _NAMES_KEPT:
                del self._logged_as[next(iter(self._logged_as))]
        self._child.send(StartRequest(ask.id, ask.request, ask.tenant))

    def cancel(self, answer_id: str) -> None:
        """Ask the worker to drop a request; its lease ends when the worker says so."""
        if answer_id in self._open and self._child is not None:
            self._child.send(Cancel(answer_id))

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
        await self._ended.wait()

    async def _live(self) -> None:
        """Whatever goes wrong in here: the child ends, and the observer hears of its exit."""
        living = asyncio.create_task(self._converse(), name=f"talk-{self.spec.model_id}")
        await asyncio.wait((living,))
        fault = living.exception()
        if fault is not None and not isinstance(fault, LoadFailed | ProgramGone):
            log.error("worker_unattended", model=self.spec.model_id, exc_info=fault)
            await self._kill()
        error = self._explain_exit(fault)
        self.phase = "stopped"
        try:
            self._fail_open_requests(error)
        finally:
            self._observer.worker_exited(self, error)
            self._ended.set()
            if self._weights is not None:
                held, before = self._weights
                self.returned = await memory_returned(held, before)
            # Also of one that died while it was asked to end: somebody may wait to hear of it.
            self._observer.worker_weighed(self)

    async def _started(self) -> Child:
        settings = self._settings
        start = StartWorker(
            PROTOCOL_VERSION,
            self.spec,
            settings.blas,
            settings.cache_dir,
            settings.memory_limit_bytes,
        )
        if self._child is None:
            return await Child.start("worker", start, settings.environment)
        self._child.send(start)
        return self._child

    async def _converse(self) -> None:
        """Start the child, and talk to it until it has ended.

        Raises LoadFailed, ProgramGone, and any fault.
        """
        spare = self._child is not None
        while True:
            try:
                child = self._child = await self._started()
            except OSError as problem:
                raise explained(
                    LoadFailed(f"No worker could be started for {self.spec.model_id}: {problem}")
                ) from problem
            await self._talk(child)
            if not spare or not self._died_unused():
                return
            # The spare may have been dead for longer than it has known the model.
            assert self.exit is not None, "its end was waited for"
            log.warning("spare_lost", model=self.spec.model_id, reason=self.exit.reason)
            spare, self._child, self.exit, self.phase = False, None, None, "starting"

    def _died_unused(self) -> bool:
        """Whether the child ended by itself before it had begun to load."""
        unasked = not self._stop_requested.is_set() and not self._hung
        return unasked and self.progress is None and self._start_error is None

    async def _talk(self, child: Child) -> None:
        child.about = self._about
        listening = asyncio.create_task(self._listen(child))
        stopping = asyncio.create_task(self._stop_requested.wait())
        watching = asyncio.create_task(self._watch(child))
        beside = (listening, stopping, watching)
        try:
            done, _ = await asyncio.wait(beside, return_when=asyncio.FIRST_COMPLETED)
            self.phase = "stopping"
            for task in done:
                task.result()
            watching.cancel()
            if self._hung:
                # A process that is stopped or stuck would let every softer signal wait.
                child.signal(signal.SIGKILL)
            if self._stop_requested.is_set() and not child.ended:
                self._weights = weighed(child.pid)
            self.exit = await self._end(child)
            await listening
        finally:
            for task in beside:
                task.cancel()

    def _about(self, answer_id: str | None) -> Mapping[str, str]:
        """What the log says of a line that the worker has printed."""
        about = {"model": self.spec.model_id}
        if answer_id is not None:
            about["answer_id"] = answer_id
            if (request_id := self._logged_as.get(answer_id)) is not None:
                about["request_id"] = request_id
        return about

    async def _kill(self) -> None:
        """The end of a child that nobody talks to any more."""
        if self._child is not None and self.exit is None:
            self._child.signal(signal.SIGKILL)
            self.exit = await self._child.wait()

    async def _end(self, child: Child) -> ChildExit:
        # A child whose channel is closed is ending or broken: the ladder fits both.
        # A load cannot be asked to stop: it holds the thread that would hear it.
        ask_s = _STOP_ASK_S if self.ready is not None else 0
        return await child.stop(ask_s=ask_s, terminate_s=_STOP_TERMINATE_S)

    async def _watch(self, child: Child) -> None:
        """Returns when the worker hangs. A load that gets nowhere is its waiters' business."""
        loop = asyncio.get_running_loop()
        timeout_s = self._settings.hang_timeout_s
        while not self._hung:
            await asyncio.sleep(Liveness.since(0, timeout_s=timeout_s).interval_s)
            child.forget_oom_kills()
            if self._liveness is None:
                continue
            if not all(each.answered for each in self._open.values()):
                # Whatever the MLX thread says, these may wait for the preparation.
                self.measure()
            match self._liveness.look(loop.time(), busy=bool(self._open)):
                case "ask":
                    self.measure()
                case "hung":
                    self._hung = True
                case "fine":
                    pass

    async def _listen(self, child: Child) -> None:
        async for message in child.messages():
            self._on_message(message)

    def _on_message(self, message: FromChild) -> None:
        match message:
            case Output(requests):
                if _from_the_mlx_thread(requests):
                    self._heard()
                for request in requests:
                    self._deliver(request.request_id, request.events)
            case LoadProgress():
                self.progress = message
                if self.phase == "starting":
                    self.phase = "loading"
                self._observer.worker_progressed(self)
            case Ready(memory=memory):
                self.ready, self.memory = message, memory
                self._liveness = Liveness.since(
                    asyncio.get_running_loop().time(), timeout_s=self._settings.hang_timeout_s
                )
                if self.phase != "stopping":
                    self.phase = "ready"
                    self._observer.worker_ready(self)
            case Pong(nonce, memory, preparing, preparing_s):
                self.memory = memory
                self._heard()
                if preparing_s >= self._settings.hang_timeout_s:
                    self._stuck, self._hung = preparing, True
                if (answer := self._pings.get(nonce)) is not None and not answer.done():
                    answer.set_result(message)
                self._observer.worker_measured(self)
            case StartFailed(error):
                self._start_error = error
            case _:
                pass

    def _heard(self) -> None:
        if self._liveness is not None:
            self._liveness.heard(asyncio.get_running_loop().time())

    def _deliver(self, answer_id: str, events: tuple[Event, ...]) -> None:
        request = self._open.get(answer_id)
        if request is None:
            return
        if not request.answered:
            request.answered = True
            if isinstance(first := events[0], Failed) and first.error.code == ContextTooLong.code:
                del self._open[answer_id]
                self._observer.request_returned(self, answer_id, first.error)
                return
        for event in events:
            request.mailbox.put(event)
        self._observer.request_advanced(self, request.ask, events)
        if not request.begun and any(not isinstance(each, _NO_ANSWER) for each in events):
            request.begun = True
            self._observer.request_begun(self, request.ask)
        if isinstance(last := events[-1], Usage | Failed):
            del self._open[answer_id]
            self.served += isinstance(last, Usage)
            self._observer.request_ended(self, answer_id, last)

    def _explain_exit(self, fault: BaseException | None) -> MlxGuiError | None:
        """The error of an exit that nobody asked for; None otherwise. `fault` is our own."""
        if self._start_error is not None:
            # One that was there in time, as a spare, may not find what it needs for the load.
            return explained(from_info(self._start_error))
        if isinstance(fault, LoadFailed | ProgramGone):
            return fault
        name = self.spec.model_id
        if fault is not None and not self._stop_requested.is_set():
            return WorkerFailed(
                f"The worker of {name} was ended: the server lost track of it "
                f"({type(fault).__name__}).",
                hint="The next request loads the model again; the server's log has the details.",
            )
        if self.exit is None:
            return None
        if self._hung:
            timeout_s = self._settings.hang_timeout_s
            if self._stuck is not None:
                return WorkerFailed(
                    f"The worker of {name} prepared one request for {timeout_s:g} s and was ended.",
                    hint="The next request loads the model again. If a request of yours takes that "
                    "long to prepare, make it smaller or raise hang_timeout_s.",
                )
            return WorkerFailed(
                f"The worker of {name} did not answer for {timeout_s:g} s and was ended.",
                hint="The next request loads the model again. If a step takes that long, raise "
                "hang_timeout_s.",
            )
        if self._stop_requested.is_set():
            return None
        if self.exit.cause == "out_of_memory":
            doing = "loading it" if self.ready is None else "serving it"
            return WorkerOutOfMemory(
                f"The worker of {name} {self.exit.reason} while {doing}.",
                hint="Unload other models, or give this one a shorter context.",
            )
        if self.ready is None and self.exit.cause != "killed":
            failure = LoadFailed(
                f"Loading {name} failed: its worker {self.exit.reason}.",
                hint="The server's log has the worker's last lines.",
            )
            return explained(failure)
        return WorkerFailed(
            f"The worker of {name} {self.exit.reason}.",
            hint="The next request loads the model again.",
        )

    def _fail_open_requests(self, error: MlxGuiError | None) -> None:
        """After an end that nobody asked for, those of which nothing came back are returned."""
        asked = error is None
        error = error or WorkerFailed(f"{self.spec.model_id} was unloaded while it was answering.")
        open_requests, self._open = self._open, {}
        for answer_id, request in open_requests.items():
            if not request.answered and answer_id != self._stuck and not asked:
                self._observer.request_returned(self, answer_id, error.info())
                continue
            last = Failed(error.info())
            request.mailbox.put(last)
            self._observer.request_ended(self, answer_id, last)
        for answer in self._pings.values():
            if not answer.done():
                answer.set_exception(error)


def _from_the_mlx_thread(requests: tuple[RequestEvents, ...]) -> bool:
    """Whether these events prove that it lives; preparation tells of its own."""
    firsts = (event for request in requests for event in request.events[:1])
    return any(isinstance(event, Prefill | Delta | Done) for event in firsts)
