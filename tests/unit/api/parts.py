"""The HTTP layer over scripted parts: a real server on a port of its own, in this process."""

import asyncio
import socket
import threading
import time
from collections.abc import AsyncGenerator, Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, cast

import uvicorn
from fastapi import FastAPI

from mlx_gui.api.connection import Connection
from mlx_gui.api.families import install
from mlx_gui.api.media import Media
from mlx_gui.api.services import MachineParts, ModelParts, ServerParts, Services
from mlx_gui.bus import EventBus
from mlx_gui.catalog.aliases import Aliases
from mlx_gui.catalog.hub import Hub
from mlx_gui.catalog.names import meant_in_any_reading
from mlx_gui.config import Config, read_sources, resolve
from mlx_gui.control.dispatch import Dispatch
from mlx_gui.control.jobs.downloads import Downloads
from mlx_gui.control.jobs.owner import Jobs
from mlx_gui.control.machine.budget import BudgetLimits, BudgetSource
from mlx_gui.control.machine.history import SampleHistory
from mlx_gui.control.machine.recent import RecentSamples
from mlx_gui.control.machine.sampler import MemorySampler
from mlx_gui.control.notices.notices import Notices
from mlx_gui.control.plans.plan import Plan
from mlx_gui.control.plans.wish import Standing, Wish
from mlx_gui.control.removals import Removals
from mlx_gui.control.requests.overview import Requests
from mlx_gui.control.residency.effects import Effects, ResidencySettings
from mlx_gui.control.residency.run_loop import RunLoop
from mlx_gui.control.safe_mode import SafeMode
from mlx_gui.control.settings.check import SettingsCheck
from mlx_gui.control.settings.models import ModelSettingsOwner
from mlx_gui.control.settings.server import ServerSettings
from mlx_gui.control.settings.templates import TemplateTrials
from mlx_gui.control.updates import Updates
from mlx_gui.control.workers.probe import DeviceProbe
from mlx_gui.control.workers.process import WorkerSettings
from mlx_gui.control.workers.warm_spare import WarmSpare
from mlx_gui.core.ask import Ask
from mlx_gui.core.errors import ModelNotFound
from mlx_gui.core.generation import (
    Delta,
    Done,
    Event,
    GenerateRequest,
    Prefill,
    Prepared,
    Usage,
)
from mlx_gui.core.model import KVLayout, Model, ModelFacts, TextFacts
from mlx_gui.core.setting_row import ModelSettings
from mlx_gui.log_tail import LogTail
from mlx_gui.store.database import Store
from mlx_gui.store.requests import Bounds
from mlx_gui.store.samples import SampleStore
from mlx_gui.store.uploads import Uploads

DEADLINE_S = 20
_LOOK_AGAIN_S = 0.002
_LOOKS = 100

Script = Callable[[GenerateRequest], AsyncGenerator[Event]]

MODEL = Model(
    id="org/one",
    path="/models/org/one",
    facts=ModelFacts(
        kind="text",
        model_type="llama",
        capabilities=("chat",),
        parameter_count=135_000_000,
        stored_bytes=270_000_000,
        largest_tensor_parameters=28_000_000,
        own=TextFacts(4096, KVLayout(23_040)),
    ),
    problem=None,
    disk_bytes=271_000_000,
    discovered_at="2026-01-02T03:04:05+00:00",
)


async def say_hello(_: GenerateRequest) -> AsyncGenerator[Event]:
    """The events of a plain good answer."""
    yield Prepared(prompt_tokens=3)
    yield Prefill(3, 3, cached=2)
    yield Delta(0, "Hello")
    yield Delta(0, " there")
    yield Done(0, "stop")
    yield Usage(prompt_tokens=3, completion_tokens=2, cached_tokens=2)


@dataclass
class ScriptedDispatch:
    """Answers every request by `script`, and keeps what was asked."""

    script: Script = say_hello
    asked: list[GenerateRequest] = field(default_factory=list[GenerateRequest])
    asks: list[Ask] = field(default_factory=list[Ask])
    """The envelopes of `asked`."""
    kept_s: list[float | None] = field(default_factory=list[float | None])
    """How long the model is to stay, by request."""
    closed: threading.Event = field(default_factory=threading.Event)
    """Set when a generator has ended, in whatever way."""

    async def events(
        self, model: Model, ask: Ask, *, keep_alive_s: float | None = None
    ) -> AsyncGenerator[Event]:
        request = cast(GenerateRequest, ask.request)
        self.asks.append(ask)
        self.asked.append(request)
        self.kept_s.append(keep_alive_s)
        try:
            async for event in self.script(request):
                yield event
        finally:
            self.closed.set()


@dataclass(frozen=True, slots=True)
class Running:
    """A server that runs, and who answers there."""

    address: str
    dispatch: ScriptedDispatch


class Shelf:
    """A library of what the test puts there."""

    def __init__(self, *models: Model) -> None:
        self.present = list(models)
        self.on_rescan: Callable[[], None] = _do_nothing

    def models(self) -> tuple[Model, ...]:
        return tuple(self.present)

    async def listed(self) -> tuple[Model, ...]:
        return self.models()

    async def find(self, name: str) -> Model:
        return self.resolve(name)

    def resolve(self, name: str) -> Model:
        present = {model.id: model for model in self.present}
        found = meant_in_any_reading(name, present)
        if found is not None:
            return present[found]
        raise ModelNotFound(f"The model '{name}' is not installed.", hint="Install it.")

    async def rescan(self, *, show_hidden: bool = False) -> tuple[Model, ...]:
        self.on_rescan()
        return self.models()


def _do_nothing() -> None:
    return None


async def _nothing(*_: object) -> None:
    return None


def _never(*_: object) -> Any:
    raise AssertionError("no part of the HTTP layer's own tests loads a model")


class _Unplanned:
    """Stands for the planner where nothing is planned."""

    def plan(self, model: Model, wish: Wish, /, settings: ModelSettings | None = None) -> Plan:
        return _never()

    def holds(self, model: Model, wish: Wish, plan: Plan, /) -> bool:
        return True

    def standing(self, model: Model, /) -> Standing:
        return Standing()

    def largest_context(self, model: Model, room_bytes: int, /) -> int:
        return _never()


def config(data_dir: Path, **settings: object) -> Config:
    """The defaults, with `settings` as flags."""
    return resolve(flags={"data_dir": str(data_dir), **settings}, environment={})


def settings_owner(settings: Config, store: Store | None = None) -> ServerSettings:
    """Whoever holds `settings`, of which those of `config` are flags."""
    given = {
        name: getattr(settings, name)
        for name, source in settings.sources.items()
        if source == "command line"
    }
    sources = read_sources(flags=given | {"data_dir": str(settings.data_dir)}, environment={})
    return ServerSettings(sources, store or cast(Store, None), {})


def services(
    settings: Config,
    *,
    dispatch: ScriptedDispatch | None = None,
    shelf: Shelf | None = None,
    store: Store | None = None,
) -> Services:
    """Real parts, except that the library and the answers are scripted.

    Only what stores something needs the `store`.
    """
    owner = settings_owner(settings, store)
    bus = EventBus()
    requests = Requests.of(
        settings.data_dir,
        bounds=lambda: Bounds(owner.config.requests_kept, owner.config.requests_retention_days),
        last_load=lambda _: None,
        collector=lambda: None,
        bus=bus,
    )
    run_loop = RunLoop(
        lambda: ResidencySettings(3, 8, 10.0, 10.0, 900, settings.client_stall_s),
        effects=lambda _: Effects(
            planner=_Unplanned(),
            budget=_never,
            start_worker=_never,
            note_ready=_never,
            note_missing=_never,
            allow_spare=_never,
        ),
        boot_id="boot",
        bus=bus,
        observer=requests.tracker,
    )
    sampler = MemorySampler(partial(bus.publish, "memory"))
    jobs = Jobs(
        cast(Store, store), kinds={}, tools=cast(Any, None), publish=partial(bus.publish, "jobs")
    )
    hub = Hub(config=lambda: owner.config, folder=settings.data_dir / "cache" / "hub")
    limits = BudgetLimits(settings.memory_limit_bytes, settings.memory_reserve_bytes)
    shelf = shelf or Shelf(MODEL)
    model_settings = ModelSettingsOwner(
        store or cast(Store, None), lambda: owner.config, changing=owner.changing
    )
    device = DeviceProbe(cast(Any, None), recall=_nothing, remember=_nothing)
    removals = Removals(
        cast(Store, store),
        library=cast(Any, shelf),
        run_loop=run_loop,
        config=lambda: owner.config,
        installing=jobs.installing,
    )
    uploads = Uploads(settings.data_dir / "cache")
    samples = SampleStore(settings.data_dir)
    recent = RecentSamples(_never, on_look=_do_nothing)
    return Services(
        models=ModelParts(
            library=cast(Any, shelf),
            aliases=Aliases(cast(Store, store), on_change=partial(bus.publish, "models")),
            removals=removals,
            run_loop=run_loop,
            settings=model_settings,
            settings_check=SettingsCheck(
                model_settings,
                shelf.models,
                find=shelf.resolve,
                device=device,
                templates=TemplateTrials(partial(WorkerSettings.of, settings)),
                run_loop=run_loop,
                config=lambda: owner.config,
            ),
            preload=_do_nothing,
            hub=hub,
        ),
        machine=MachineParts(
            identity=sampler.reader.identify(),
            device=device,
            sampler=sampler,
            budget=BudgetSource(sampler.reader.read, lambda: limits, device=lambda: None),
            samples=samples,
            history=SampleHistory(samples, recent, waiting=tuple),
            spare=WarmSpare(cast(Any, None), engine="none"),
        ),
        server=ServerParts(
            settings=owner,
            safe_mode=SafeMode(0, lambda: None),
            boot_id="boot",
            started_at=time.time(),
            address=lambda: "http://127.0.0.1:8000",
            ready=lambda: True,
            ui_build=lambda: None,
            local_token="secret-token",
            logs=LogTail(),
            updates=Updates(
                owner.config.data_dir,
                wanted=lambda: False,
                tell=lambda news: None,
                changed=_do_nothing,
            ),
        ),
        dispatch=cast(Dispatch, dispatch or ScriptedDispatch()),
        requests=requests,
        jobs=jobs,
        downloads=Downloads(
            jobs, hub, config=lambda: owner.config, find=shelf.resolve, supported=dict
        ),
        notices=Notices(partial(bus.publish, "notices"), clock=time.time),
        uploads=uploads,
        media=Media(uploads),
        store=cast(Store, store),
        bus=bus,
    )


def application(parts: Services) -> FastAPI:
    """All families over `parts`, as the composition root installs them."""
    app = FastAPI(docs_url=None, redoc_url=None)
    install(app, parts)
    return app


class _Server(uvicorn.Server):
    """uvicorn, which is told its end: by itself it looks for it, and rests, a tenth of a second."""

    def __init__(self, app: Any) -> None:
        super().__init__(
            uvicorn.Config(
                app,
                http=Connection,
                log_config=None,
                access_log=False,
                proxy_headers=False,
                lifespan="off",
                timeout_graceful_shutdown=5,
            )
        )
        self.to_end = asyncio.Event()

    async def main_loop(self) -> None:
        ticking = asyncio.create_task(super().main_loop())
        await self.to_end.wait()
        ticking.cancel()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        state = self.server_state
        for server in self.servers:
            server.close()
        for connection in list(state.connections):
            connection.shutdown()
        for _ in range(_LOOKS):
            if not (state.connections or state.tasks):
                return
            await asyncio.sleep(_LOOK_AGAIN_S)
        await super().shutdown(sockets)


@contextmanager
def serving(app: Any) -> Iterator[str]:
    """The address at which `app` is served, by the real HTTP server in a thread."""
    server = _Server(app)
    with (
        socket.create_server(("127.0.0.1", 0)) as listener,
        asyncio.Runner(loop_factory=server.config.get_loop_factory()) as runner,
    ):
        loop = runner.get_loop()
        thread = threading.Thread(target=runner.run, args=(server.serve(sockets=[listener]),))
        thread.start()
        try:
            yield f"http://127.0.0.1:{listener.getsockname()[1]}"
        finally:
            loop.call_soon_threadsafe(server.to_end.set)
            thread.join(DEADLINE_S)
            assert not thread.is_alive(), "the server did not stop"
