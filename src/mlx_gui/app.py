"""The composition root: builds the parts of one server and knows in which order they live."""

import asyncio
import secrets
import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

from starlette.types import ASGIApp

from mlx_gui.api.media import Media
from mlx_gui.api.opening import Opening
from mlx_gui.api.services import MachineParts, ModelParts, ServerParts, Services
from mlx_gui.bus import EventBus
from mlx_gui.catalog.aliases import Aliases
from mlx_gui.catalog.disk_room import DiskRoom
from mlx_gui.catalog.hub import Hub
from mlx_gui.catalog.library import Library
from mlx_gui.catalog.scripted import scripted_models
from mlx_gui.catalog.starters import Starter
from mlx_gui.config import Config
from mlx_gui.control.boot import SPARE_AFTER_S, Boot
from mlx_gui.control.dispatch import Dispatch
from mlx_gui.control.jobs.bandwidth import Bandwidth
from mlx_gui.control.jobs.base import JobTools
from mlx_gui.control.jobs.download import Download
from mlx_gui.control.jobs.downloads import Downloads
from mlx_gui.control.jobs.kinds import JOB_KINDS
from mlx_gui.control.jobs.owner import Jobs
from mlx_gui.control.jobs.starter import InstallStarter, starter_folder
from mlx_gui.control.machine.budget import Budget, BudgetLimits, BudgetSource
from mlx_gui.control.machine.history import SampleHistory
from mlx_gui.control.machine.processors import Processors
from mlx_gui.control.machine.reading import Pressure
from mlx_gui.control.machine.recent import RecentSamples
from mlx_gui.control.machine.recorder import SampleRecorder
from mlx_gui.control.machine.sampler import MemorySampler, process_private_bytes
from mlx_gui.control.notices.disks import DiskWatch
from mlx_gui.control.notices.news import pressure_news, safe_mode_news
from mlx_gui.control.notices.notices import Notices
from mlx_gui.control.plans.measurements import Measurements
from mlx_gui.control.plans.planner import ModelPlanner
from mlx_gui.control.removals import Removals
from mlx_gui.control.requests.log import RequestLog
from mlx_gui.control.requests.observing import Observers
from mlx_gui.control.requests.overview import Requests
from mlx_gui.control.requests.tracing import collector_of
from mlx_gui.control.residency.decisions import marks
from mlx_gui.control.residency.effects import Effects, ResidencySettings
from mlx_gui.control.residency.run_loop import RunLoop
from mlx_gui.control.retention import ResponseRetention
from mlx_gui.control.safe_mode import SafeMode
from mlx_gui.control.settings.applying import Applying
from mlx_gui.control.settings.check import SettingsCheck
from mlx_gui.control.settings.models import ModelSettingsOwner
from mlx_gui.control.settings.server import ServerSettings
from mlx_gui.control.settings.templates import TemplateTrials
from mlx_gui.control.supervision import Background, finished
from mlx_gui.control.updates import Updates, asks_for_updates
from mlx_gui.control.watching import FolderWatch
from mlx_gui.control.workers.probe import DeviceProbe
from mlx_gui.control.workers.process import WorkerObserver, WorkerProcess, WorkerSettings
from mlx_gui.control.workers.warm_spare import WarmSpare
from mlx_gui.core.device import DeviceFacts
from mlx_gui.core.job import Job
from mlx_gui.core.model import Kind, LoadSpec
from mlx_gui.kinds.registry import engine_of
from mlx_gui.log_tail import LogTail
from mlx_gui.store.database import Store
from mlx_gui.store.devices import recall_device, remember_device
from mlx_gui.store.measurements import Measurement
from mlx_gui.store.requests import Bounds
from mlx_gui.store.samples import Sample, SampleStore
from mlx_gui.store.uploads import Uploads
from mlx_gui.version import __version__
from mlx_gui.web.static_files import ui_build


class Application:
    """One server's parts. `start` sets them going, `drain` and `close` end them in order."""

    def __init__(
        self,
        settings: ServerSettings,
        store: Store,
        *,
        address: str,
        safe_mode: SafeMode,
        logs: LogTail,
    ) -> None:
        config = settings.config
        self.settings = settings
        self._store = store
        self._background = Background()
        self._logs = logs
        self.bus = EventBus()
        self.notices = Notices(partial(self.bus.publish, "notices"), clock=time.time)
        self.safe_mode = safe_mode
        self._worker_settings = settings.view(WorkerSettings.of)
        self.device = DeviceProbe(
            self.worker_settings, recall=self._recall_device, remember=self._remember_device
        )
        self.sampler = self._sample_memory()
        self.budget = BudgetSource(
            self.sampler.now,
            settings.view(BudgetLimits.of),
            device=lambda: self.device.facts,
        )
        self.samples = SampleStore(config.data_dir)
        self._processors = Processors()
        self._recent = RecentSamples(self._sample, on_look=self._show_rates)
        self._recorder = self._record_samples()
        self.uploads = Uploads(Path(self.worker_settings.cache_dir))
        self.aliases = Aliases(store, on_change=partial(self.bus.publish, "models"))
        self.library = Library(
            store=store,
            model_dirs=settings.view(Config.searched_dirs),
            builtin=scripted_models() if config.engine == "fake" else (),
            supported=self._supported_model_types,
            on_change=lambda: self.boot.let_gone_leave(),
            installing=lambda: self.jobs.installing(),
            aliases=self.aliases.targets,
        )
        self.hub = Hub(config=lambda: self._config, folder=config.data_dir / "cache" / "hub")
        self._bandwidth = Bandwidth(lambda: self._config.download_limit_bytes)
        self.jobs = self._take_jobs()
        self.downloads = self._take_downloads()
        self.model_settings = ModelSettingsOwner(
            store, lambda: self._config, changing=settings.changing
        )
        self.measurements = Measurements(store)
        self.spare = WarmSpare(
            self._worker_settings,
            engine=engine_of("text", fake=config.engine == "fake"),
            on_change=partial(self.bus.publish, "manager"),
        )
        self.requests = self._follow_requests()
        self.local_token = secrets.token_urlsafe(32)
        boot_id = secrets.token_hex(8)
        self.run_loop = RunLoop(
            settings.view(ResidencySettings.of),
            effects=self._effects,
            boot_id=boot_id,
            bus=self.bus,
            observer=Observers((RequestLog(), self.requests.tracker)),
            on_mark=marks(self._recorder.mark, self.notices.marked),
            on_departure=self.notices.departed,
        )
        self.removals = self._take_removals()
        self.boot = self._take_boot()
        self._watch = self._watch_folders()
        self._disks = self._watch_disks()
        self._retention = ResponseRetention(
            store, days=lambda: self._config.responses_retention_days
        )
        self._updates = self._look_for_updates()
        self.services = self._services(address, boot_id)
        self.asgi = Opening(self.services)
        settings.listen(self._applying().changed)

    def _services(self, address: str, boot_id: str) -> Services:
        """What the routes get of all these parts."""
        return Services(
            models=ModelParts(
                library=self.library,
                aliases=self.aliases,
                removals=self.removals,
                run_loop=self.run_loop,
                settings=self.model_settings,
                settings_check=SettingsCheck(
                    self.model_settings,
                    self.library.models,
                    find=self.library.resolve,
                    device=self.device,
                    templates=TemplateTrials(self._worker_settings),
                    run_loop=self.run_loop,
                    config=lambda: self._config,
                ),
                preload=self.boot.preload,
                hub=self.hub,
            ),
            machine=MachineParts(
                identity=self.sampler.reader.identify(),
                device=self.device,
                sampler=self.sampler,
                budget=self.budget,
                samples=self.samples,
                history=SampleHistory(
                    self.samples, self._recent, waiting=lambda: self._recorder.waiting
                ),
                spare=self.spare,
            ),
            server=ServerParts(
                settings=self.settings,
                safe_mode=self.safe_mode,
                boot_id=boot_id,
                started_at=time.time(),
                address=lambda: address,
                ready=lambda: self.library.scanned,
                ui_build=ui_build,
                local_token=self.local_token,
                logs=self._logs,
                updates=self._updates,
            ),
            dispatch=Dispatch(self.run_loop, self.device),
            requests=self.requests,
            jobs=self.jobs,
            downloads=self.downloads,
            notices=self.notices,
            uploads=self.uploads,
            media=Media(self.uploads),
            store=self._store,
            bus=self.bus,
        )

    @property
    def worker_settings(self) -> WorkerSettings:
        """What a child starts with now."""
        return self._worker_settings()

    @property
    def _config(self) -> Config:
        return self.settings.config

    def _record_samples(self) -> SampleRecorder:
        return SampleRecorder(
            self.samples,
            take=self._recent.take,
            retention_days=lambda: self._config.samples_retention_days,
        )

    def _watch_folders(self) -> FolderWatch:
        return FolderWatch(
            self.library, every_s=lambda: self._config.watch_s, search=self.boot.search_again
        )

    def _sample_memory(self) -> MemorySampler:
        return MemorySampler(
            partial(self.bus.publish, "memory"),
            on_pressure=self._on_pressure,
            worker_pids=lambda: self.run_loop.worker_pids(),
            reserve_bytes=lambda: self._config.memory_reserve_bytes,
        )

    def _watch_disks(self) -> DiskWatch:
        return DiskWatch(
            folders=self.settings.view(_watched_dirs),
            reserve_bytes=lambda: self._config.disk_reserve_bytes,
            tell=self.notices.tell,
        )

    def _look_for_updates(self) -> Updates:
        return Updates(
            self._config.data_dir,
            wanted=self.settings.view(asks_for_updates),
            tell=self.notices.tell,
            changed=partial(self.bus.publish, "system"),
        )

    def _applying(self) -> Applying:
        return Applying(
            background=self._background,
            boot=self.boot,
            jobs=self.jobs,
            bandwidth=self._bandwidth,
            removals=self.removals,
            retention=self._retention,
            spare=self.spare,
            disks=self._disks,
            updates=self._updates,
            tracing=self.requests.tracing,
            run_loop=self.run_loop,
            recorder=self._recorder,
            bus=self.bus,
        )

    def _follow_requests(self) -> Requests:
        return Requests.of(
            self._config.data_dir,
            bounds=self.settings.view(_record_bounds),
            last_load=lambda model_id: self.run_loop.last_load(model_id),
            collector=self.settings.view(collector_of),
            bus=self.bus,
        )

    def _take_removals(self) -> Removals:
        return Removals(
            self._store,
            library=self.library,
            run_loop=self.run_loop,
            config=lambda: self._config,
            installing=self.jobs.installing,
        )

    def _take_boot(self) -> Boot:
        return Boot(
            config=lambda: self._config,
            device=self.device,
            library=self.library,
            model_settings=self.model_settings,
            measurements=self.measurements,
            run_loop=self.run_loop,
            removals=self.removals,
            aliases=self.aliases,
            safe_mode=self.safe_mode,
            bus=self.bus,
        )

    def _take_jobs(self) -> Jobs:
        tools = JobTools(
            config=lambda: self._config,
            worker_settings=self._worker_settings,
            installed=lambda model_id: self.boot.take_in(model_id),
            hub=self.hub,
            room=DiskRoom(lambda: self._config.disk_reserve_bytes),
            bandwidth=self._bandwidth,
            model=self.library.find,
            events=lambda model, ask: self.services.dispatch.events(model, ask),
            loaded_context=lambda model_id: self.run_loop.loaded_context(model_id),
            store=self._store,
        )

        def publish(job_id: str) -> None:
            self.bus.publish("jobs", job_id)
            self.bus.publish("downloads", job_id)
            self.notices.job_is(job_id, self.jobs.find(job_id))

        most = {Download.name: lambda: self._config.downloads_at_once}
        return Jobs(self._store, kinds=JOB_KINDS, tools=tools, publish=publish, most=most)

    def _take_downloads(self) -> Downloads:
        return Downloads(
            self.jobs,
            self.hub,
            config=lambda: self._config,
            find=self.library.resolve,
            supported=self._supported_model_types,
        )

    async def recall(self) -> None:
        """Know again which jobs have not come to their end. Raises StoreError."""
        await self.jobs.recall(resume=not self.safe_mode.active)

    def start(self) -> None:
        """Begin to serve; what takes time (probe, scan, jobs) goes on in the background."""
        loop = asyncio.get_running_loop()
        # Any thread may log, and only the loop may publish.
        self._logs.listen(lambda: loop.call_soon_threadsafe(self.bus.publish, "logs"))
        self._recorder.mark("start", text=__version__)
        self.requests.tracing.look()
        if self.safe_mode.reason is not None:
            self.notices.tell(safe_mode_news(self.safe_mode.reason))
        self._background.keep("run-loop", self.run_loop.run)
        self._background.keep("memory", self.sampler.run)
        self._background.keep("requests", self.requests.records.run)
        self._background.keep("boot", self.boot.run)
        self._background.keep("retention", self._retention.run)
        self._background.keep("trash", self.removals.run)
        self._background.keep("folders", self._watch.run)
        self._background.keep("disks", self._disks.run)
        self._background.keep("updates", self._updates.run)
        self.jobs.begin()

    async def complete(self) -> None:
        """Import what the API is made of, aside, and have all of it answer from then on."""
        build = await asyncio.to_thread(_import_api)
        self.asgi.complete(build(self.services))
        self._background.keep("recent", self._recent.run)
        self._background.keep("samples", self._recorder.run)

    async def drain(self, grace_s: float) -> None:
        """Refuse what is new and end every worker, running answers first if they are quick.

        What goes wrong with one part is logged, and keeps no other from its end; so in `close`.
        """
        self.hub.stop()
        await asyncio.gather(
            finished("shutdown", self.run_loop.shutdown(grace_s)),
            finished("jobs", self.jobs.close()),
        )
        await finished("spare", self.spare.close())

    async def close(self) -> None:
        """End the background tasks, and what a drain that was cut short has left of the jobs."""
        self._logs.listen(None)
        await finished("jobs", self.jobs.close())
        await self._background.close()
        await finished("hub", self.hub.close())
        await finished("uploads", self.uploads.close())
        await finished("samples", asyncio.to_thread(self.samples.close))
        await finished("requests", self.requests.records.close())
        await finished("traces", self.requests.tracing.close())

    async def install(self, starter: Starter) -> Job | None:
        """The job that installs `starter`; None when it is there already.

        Raises Conflict where it has no place to go, and what `Jobs.start` raises.
        """
        if (starter_folder(self._config) / starter.model_id).exists():
            return None
        bringing = self.jobs.bringing(starter.model_id)
        job = bringing and await self.jobs.go_on(bringing.id)
        return job or await self.jobs.start(InstallStarter(starter.model_id))

    def _on_pressure(self, level: Pressure) -> None:
        self.notices.tell(pressure_news(level))
        self.run_loop.pressure_is(level)

    def _supported_model_types(self) -> Mapping[Kind, tuple[str, ...]]:
        return self.device.facts.model_types if self.device.facts is not None else {}

    def _effects(self, observer: WorkerObserver) -> Effects:
        return Effects(
            planner=ModelPlanner(
                config=self._config,
                settings=self.model_settings,
                measurements=self.measurements,
                find=self.library.resolve,
                installed=self.library.models,
                device=lambda: self.device.facts,
                budget_bytes=lambda: self.budget.of(self.sampler.latest, 0).static_bytes,
            ),
            budget=self._budget,
            start_worker=partial(self._start_worker, observer=observer),
            note_ready=self._note_ready,
            note_missing=lambda: self._background.once("rescan", self.boot.search_again()),
            allow_spare=self._allow_spare,
        )

    def _allow_spare(self, allowed: bool) -> None:
        rested = time.time() - self.services.server.started_at > SPARE_AFTER_S
        if self._config.warm_spare and (rested or not allowed):
            self.spare.ensure(allowed=allowed and self.library.scanned)

    def _budget(self) -> Budget:
        """What models may use, beside what they and the spare hold already."""
        pids = [*self.run_loop.worker_pids().values(), self.spare.pid]
        return self.budget.current(sum(process_private_bytes(pid) for pid in pids))

    def _note_ready(self, worker: WorkerProcess) -> None:
        """Remember what a load took, so that the next plan for it is exact."""
        if worker.ready is None:
            return
        measurement = Measurement(worker.ready.memory, worker.ready.load_ms)
        self._background.once("measurement", self.measurements.note(worker.spec, measurement))

    def _sample(self) -> Sample:
        from mlx_gui.api.manage.samples.taking import present_sample  # there by now, with the API

        return replace(present_sample(self.services), cpu_share=self._processors.share())

    def _show_rates(self) -> None:
        """Tell of the last second, unless it was as the one before."""
        if self._recent.moved:
            self.bus.publish("metrics")

    def _start_worker(self, spec: LoadSpec, observer: WorkerObserver) -> WorkerProcess:
        child = self.spare.take(spec)
        return WorkerProcess(spec, self.worker_settings, observer, child=child)

    async def _recall_device(self, key: str) -> DeviceFacts | None:
        return await self._store.read(lambda connection: recall_device(connection, key))

    async def _remember_device(self, key: str, facts: DeviceFacts) -> None:
        now = datetime.now(UTC).isoformat()
        await self._store.write(
            lambda connection: remember_device(connection, key, facts=facts, now=now)
        )


def _import_api() -> Callable[[Services], ASGIApp]:
    from mlx_gui.asgi import build_asgi  # takes longer than all the rest of a start

    return build_asgi


def _record_bounds(config: Config) -> Bounds:
    return Bounds(config.requests_kept, config.requests_retention_days)


def _watched_dirs(config: Config) -> tuple[Path, ...]:
    return (config.data_dir, *config.searched_dirs())
