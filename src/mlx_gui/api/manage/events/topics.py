"""The topics of `/v1/events`: who may follow each, and how one reader is told of it."""

import asyncio
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import partial
from typing import Protocol

from pydantic import BaseModel

from mlx_gui.api.manage.downloads.translate import download_body
from mlx_gui.api.manage.history.translate import metrics_event
from mlx_gui.api.manage.jobs.translate import job_body
from mlx_gui.api.manage.notices.translate import notice_body
from mlx_gui.api.manage.present import (
    present_manager,
    present_memory,
    present_settings,
    present_system,
)
from mlx_gui.api.present_models import present_model, present_models
from mlx_gui.api.principal import AccessScope
from mlx_gui.api.services import Services
from mlx_gui.bus import Mark, Subscription, Topic
from mlx_gui.core.errors import InvalidRequest, NotFound
from mlx_gui.core.model import Model
from mlx_gui.wire.downloads import DownloadBody, RemovedDownload
from mlx_gui.wire.history import MetricsEvent
from mlx_gui.wire.jobs import JobBody, RemovedJob
from mlx_gui.wire.logs import LogsEvent
from mlx_gui.wire.models import ModelObject
from mlx_gui.wire.notices import NoticeBody, RemovedNotice
from mlx_gui.wire.requests import RequestsEvent
from mlx_gui.wire.server_settings import ServerSettingsBody
from mlx_gui.wire.status import RemovedModel, SystemStatus

SYSTEM_WAIT_S = 1.0

Event = tuple[str, BaseModel]
"""Its name and its data."""


class Renderer(Protocol):
    """A topic as one reader sees it; keeps what that reader was told where that matters."""

    async def now(self) -> object:
        """What the snapshot says under the topic's name; None where it is not known yet."""
        ...

    async def changed(self, key: str) -> Iterable[Event]:
        """What is to be told about the mark `key`."""
        ...


class _Models:
    def __init__(self, services: Services, _: Subscription) -> None:
        self._services = services
        self._known: set[str] = set()

    async def now(self) -> list[ModelObject]:
        models = present_models(self._services, self._services.models.library.models()).data
        self._known = {model.id for model in models}
        return models

    async def changed(self, key: str) -> Iterable[Event]:
        here = {model.id: model for model in self._services.models.library.models()}
        return [
            event
            for model_id in ([key] if key else sorted(here.keys() | self._known))
            for event in self._told(model_id, here.get(model_id))
        ]

    def _told(self, model_id: str, model: Model | None) -> Iterable[Event]:
        """The present state of the model, or that it is gone."""
        if model is not None:
            self._known.add(model_id)
            yield "model", present_model(self._services, model)
        elif model_id in self._known:
            self._known.discard(model_id)
            yield "model_removed", RemovedModel(id=model_id)


class _Whole:
    """A topic of one object, which is told as a whole."""

    def __init__(
        self, services: Services, _: Subscription, *, event: str, present: Callable[..., BaseModel]
    ) -> None:
        self._event = event
        self._present = partial(present, services)

    async def now(self) -> BaseModel:
        return self._present()

    async def changed(self, key: str) -> Iterable[Event]:
        return [(self._event, self._present())]


class _System:
    """Asks disks, which may sleep: what is not there soon is told when it comes."""

    def __init__(self, services: Services, changes: Subscription) -> None:
        self._services = services
        self._changes = changes
        self._reading: asyncio.Task[SystemStatus] | None = None

    async def now(self) -> SystemStatus | None:
        reading, self._reading = self._reading, None
        if reading is None:
            reading = asyncio.create_task(present_system(self._services), name="system")
        try:
            return await asyncio.wait_for(asyncio.shield(reading), SYSTEM_WAIT_S)
        except TimeoutError:
            reading.add_done_callback(lambda _: self._changes.mark(Mark("system")))
            self._reading = reading
            return None

    async def changed(self, key: str) -> Iterable[Event]:
        system = await self.now()
        return [] if system is None else [("system", system)]


class _Settings:
    def __init__(self, services: Services, _: Subscription) -> None:
        self._services = services

    async def now(self) -> ServerSettingsBody:
        return await present_settings(self._services)

    async def changed(self, key: str) -> Iterable[Event]:
        return [("settings", await self.now())]


class _Requests:
    """A sequence: that there is more, not what."""

    def __init__(self, services: Services, _: Subscription) -> None:
        self._requests = services.requests

    async def now(self) -> RequestsEvent:
        await self._requests.records.flush()
        return self._present()

    async def changed(self, key: str) -> Iterable[Event]:
        return [("requests", self._present())]

    def _present(self) -> RequestsEvent:
        running = self._requests.tracker.running()
        queued = sum(each.state == "queued" for each in running)
        return RequestsEvent(
            last=self._requests.records.last, queued=queued, running=len(running) - queued
        )


class _Jobs:
    def __init__(self, services: Services, _: Subscription) -> None:
        self._jobs = services.jobs

    async def now(self) -> list[JobBody]:
        return [job_body(job) for job in self._jobs.newest_first()]

    async def changed(self, key: str) -> Iterable[Event]:
        """The present state of the job, or that it is forgotten."""
        try:
            return [("job", job_body(self._jobs.get(key)))]
        except NotFound:
            return [("job_removed", RemovedJob(id=key))]


class _Logs:
    """A sequence: that there is more, not what."""

    def __init__(self, services: Services, _: Subscription) -> None:
        self._tail = services.server.logs

    async def now(self) -> LogsEvent:
        return LogsEvent(last=self._tail.last)

    async def changed(self, key: str) -> Iterable[Event]:
        return [("logs", await self.now())]


class _Metrics:
    def __init__(self, services: Services, _: Subscription) -> None:
        self._recent = services.machine.history.recent

    async def now(self) -> MetricsEvent | None:
        sample = self._recent.latest
        return None if sample is None else metrics_event(sample)

    async def changed(self, key: str) -> Iterable[Event]:
        metrics = await self.now()
        return [] if metrics is None else [("metrics", metrics)]


class _Downloads:
    def __init__(self, services: Services, _: Subscription) -> None:
        self._downloads = services.downloads
        self._known: set[str] = set()

    async def now(self) -> list[DownloadBody]:
        downloads = [download_body(job) for job in self._downloads.all()]
        self._known = {download.id for download in downloads}
        return downloads

    async def changed(self, key: str) -> Iterable[Event]:
        """The present state of the download, or that it is forgotten; nothing of other jobs."""
        try:
            job = self._downloads.get(key)
        except NotFound:
            if key not in self._known:
                return []
            self._known.discard(key)
            return [("download_removed", RemovedDownload(id=key))]
        self._known.add(key)
        return [("download", download_body(job))]


class _Notices:
    def __init__(self, services: Services, _: Subscription) -> None:
        self._notices = services.notices

    async def now(self) -> list[NoticeBody]:
        return [notice_body(notice) for notice in self._notices.all()]

    async def changed(self, key: str) -> Iterable[Event]:
        """The notice as it is now, or that it is gone."""
        try:
            return [("notice", notice_body(self._notices.get(int(key))))]
        except NotFound:
            return [("notice_removed", RemovedNotice(id=int(key)))]


@dataclass(frozen=True, slots=True)
class TopicRow:
    """A topic, the scope that it takes, and how its renderer is made.

    What is `usual` is told to whoever names no topics.
    """

    name: Topic
    scope: AccessScope
    render: Callable[[Services, Subscription], Renderer]
    usual: bool = True


TOPICS: tuple[TopicRow, ...] = (
    TopicRow("models", "models:read", _Models),
    TopicRow("memory", "models:read", partial(_Whole, event="memory", present=present_memory)),
    TopicRow("manager", "models:read", partial(_Whole, event="manager", present=present_manager)),
    TopicRow("system", "models:read", _System),
    TopicRow("settings", "admin", _Settings, usual=False),
    TopicRow("requests", "admin", _Requests, usual=False),
    TopicRow("jobs", "models:read", _Jobs),
    TopicRow("downloads", "models:read", _Downloads),
    TopicRow("logs", "admin", _Logs, usual=False),
    TopicRow("metrics", "models:read", _Metrics),
    TopicRow("notices", "admin", _Notices, usual=False),
)


def wanted(topics: str | None) -> tuple[TopicRow, ...]:
    """The rows of `topics`, separated by commas, in the table's order. Raises InvalidRequest.

    A topic of several objects may be named by one of them: `download` for `downloads`.
    """
    if topics is None:
        return tuple(row for row in TOPICS if row.usual)
    known = [row.name for row in TOPICS]
    plurals = {name.removesuffix("s"): name for name in known}
    names = {plurals.get(name.strip(), name.strip()) for name in topics.split(",")}
    for name in sorted(names.difference(known)):
        raise InvalidRequest(
            f"There is no topic {name!r}.",
            hint=f"The topics are {', '.join(known)}.",
            param="topics",
        )
    return tuple(row for row in TOPICS if row.name in names)
