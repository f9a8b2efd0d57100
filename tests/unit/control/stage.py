"""A run loop with scripted workers: the stage on which the tests of residency play."""

import asyncio
import selectors
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any

from mlx_gui.bus import EventBus
from mlx_gui.control.machine.budget import Bound, Budget
from mlx_gui.control.plans.plan import Plan
from mlx_gui.control.plans.wish import Standing, Wish
from mlx_gui.control.residency.departures import Departure
from mlx_gui.control.residency.effects import Effects, ResidencySettings
from mlx_gui.control.residency.run_loop import RunLoop
from mlx_gui.control.workers.mailbox import Mailbox
from mlx_gui.control.workers.process import WorkerObserver
from mlx_gui.core.generation import Event, Failed, Usage
from mlx_gui.core.model import LoadSpec, Model, TextOptions
from mlx_gui.core.setting_row import ModelSettings
from tests.unit.control.fakes import ScriptedWorker, Told, model, need

DEADLINE_S = 30


class StageTime(asyncio.SelectorEventLoop):
    """An event loop whose clock goes to the next timer when nothing else is to do.

    So a turn of two milliseconds lasts as long on a machine that stalls for seconds as on any
    other, and nobody waits for a deadline that is an hour away. No two readings are the same, as
    on a real machine.
    """

    def __init__(self) -> None:
        super().__init__(_Skipping(self))
        self.now_s = 0.0

    def time(self) -> float:
        self.now_s += 1e-7
        return self.now_s


class _Skipping(selectors.DefaultSelector):
    """Moves the clock of its loop by as much as it is asked to wait."""

    def __init__(self, loop: StageTime) -> None:
        super().__init__()
        self._loop = loop

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        if timeout is None:
            return super().select()
        self._loop.now_s += timeout
        return super().select(0)


class Stage:
    """A run loop with scripted workers; the planner is this object itself."""

    def __init__(self, *, max_models: int = 2, slots: int = 2, **limits: Any) -> None:
        self.workers: list[ScriptedWorker] = []
        self.slots = slots
        self.contexts: dict[str, int] = {}
        self.sizes: dict[str, int] = {"huge": 1000}
        self.sizes_of_contexts: dict[int, int] = {}
        self.longest: int | None = None
        """For which all models were made; None where somebody has set the context."""
        self.standings: dict[str, Standing] = {}
        self.budget = 100
        self.spare = False
        self.bus = EventBus()
        self.unplannable: set[str] = set()
        """Models of which the reading that a plan needs fails."""
        self.told = Told()
        self.departures: list[Departure] = []
        self.missing = 0
        """So often a folder was found gone."""
        values: dict[str, Any] = {
            "max_queue": 100,
            "queue_timeout_s": 1000.0,
            "load_timeout_s": 1000.0,
            "keep_alive_s": -1,
            "client_stall_s": 1000.0,
            **limits,
        }
        self.limits = ResidencySettings(max_models=max_models, **values)
        self.loop = RunLoop(
            lambda: self.limits,
            effects=self._effects,
            boot_id="boot",
            bus=self.bus,
            observer=self.told,
            on_departure=self.departures.append,
        )

    # --- the planner ---

    def plan(self, wanted: Model, wish: Wish, settings: ModelSettings | None = None) -> Plan:
        if wanted.id in self.unplannable:
            raise OSError("too many open files")
        size = self.sizes.get(wanted.id, 10)
        context = wish.context_tokens or self.contexts.get(wanted.id, 64)
        size = self.sizes_of_contexts.get(context, size)
        if self.longest is not None and not wish.context_tokens:
            context = max(context, min(wish.room_tokens, self.longest))
            size = self.sizes_of_contexts.get(context, size)
        if wish.footprint == "small":
            size, context = size // 2, context // 2
        spec = LoadSpec(wanted.id, "", "text", "fake", "stored", TextOptions(context, self.slots))
        auto = self.longest is not None and not wish.context_tokens
        return Plan(spec, need(size), wanted_context=context, auto=auto)

    def holds(self, wanted: Model, wish: Wish, plan: Plan) -> bool:
        return self.plan(wanted, wish).spec == plan.spec

    def standing(self, wanted: Model) -> Standing:
        return self.standings.get(wanted.id, Standing())

    def largest_context(self, wanted: Model, room_bytes: int) -> int:
        return room_bytes

    def _effects(self, observer: WorkerObserver) -> Effects:
        return Effects(
            planner=self,
            budget=self._budget,
            start_worker=partial(self._start, observer=observer),
            note_ready=lambda worker: None,
            note_missing=self._note_missing,
            allow_spare=self._allow_spare,
        )

    def _budget(self) -> Budget:
        bounds = (Bound("setting", 100, "a limit"), Bound("free", self.budget, "what is free"))
        return Budget(100, self.budget, "what is free", bounds, 0, 0)

    def _allow_spare(self, allowed: bool) -> None:
        self.spare = allowed

    def _note_missing(self) -> None:
        self.missing += 1

    def _start(self, spec: LoadSpec, observer: WorkerObserver) -> Any:
        alive = [
            w for w in self.workers if w.phase != "stopped" and w.spec.model_id == spec.model_id
        ]
        assert not alive, "nothing loads twice"
        self.workers.append(ScriptedWorker(spec, observer))
        return self.workers[-1]

    # --- what tests do ---

    def worker(self, name: str) -> ScriptedWorker:
        return next(w for w in reversed(self.workers) if w.spec.model_id == name)

    def started(self, name: str) -> bool:
        """Whether a worker of this model is there and not on its way out."""
        return any(
            w.spec.model_id == name and w.phase in ("loading", "ready") for w in self.workers
        )

    async def loaded(self, name: str) -> ScriptedWorker:
        """The worker of this model, loaded because somebody asked for that."""
        loading = asyncio.create_task(self.loop.load(model(name)))
        await asyncio.sleep(0)
        await self.settle()
        self.worker(name).become_ready()
        await loading
        return self.worker(name)

    async def settle(self) -> None:
        """Until the loop has handled everything that was posted."""
        while not self.loop._inbox.empty():  # pyright: ignore[reportPrivateUsage]
            await asyncio.sleep(0)
        await asyncio.sleep(0)


def play(scenario: Callable[[Stage], Awaitable[None]], **options: Any) -> None:
    async def run() -> None:
        stage = Stage(**options)
        task = asyncio.create_task(stage.loop.run())
        try:
            await asyncio.wait_for(scenario(stage), DEADLINE_S)
            assert stage.told.wrong == []
        finally:
            task.cancel()

    with asyncio.Runner(loop_factory=StageTime) as runner:
        runner.run(run())


async def terminal(mailbox: Mailbox) -> Event:
    while True:
        event = await mailbox.get()
        if isinstance(event, Usage | Failed):
            return event
