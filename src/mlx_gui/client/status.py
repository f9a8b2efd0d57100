"""The state of server and machine, once or as it changes."""

from collections.abc import Generator, Iterator, Mapping
from contextlib import contextmanager

import httpx

from mlx_gui.client.connection import Connection
from mlx_gui.client.encoding import check_numbers, encoded
from mlx_gui.client.reaching import ServerUnreachable, reaching
from mlx_gui.client.sse import parse_sse
from mlx_gui.wire.addresses import AddressList
from mlx_gui.wire.downloads import DownloadBody, RemovedDownload
from mlx_gui.wire.history import MetricsEvent
from mlx_gui.wire.jobs import JobBody, RemovedJob
from mlx_gui.wire.logs import LogsEvent
from mlx_gui.wire.models import ModelObject
from mlx_gui.wire.notices import NoticeBody, RemovedNotice
from mlx_gui.wire.requests import RequestsEvent
from mlx_gui.wire.server_settings import ServerSettingsBody
from mlx_gui.wire.status import (
    HealthStatus,
    HelloEvent,
    ManagerStatus,
    MemoryStatus,
    RemovedModel,
    SnapshotEvent,
    SystemStatus,
)

Event = (
    HelloEvent
    | SnapshotEvent
    | ModelObject
    | RemovedModel
    | MemoryStatus
    | ManagerStatus
    | SystemStatus
    | ServerSettingsBody
    | RequestsEvent
    | JobBody
    | RemovedJob
    | LogsEvent
    | DownloadBody
    | RemovedDownload
    | MetricsEvent
    | NoticeBody
    | RemovedNotice
)

_EVENTS: Mapping[str, type[Event]] = {
    "hello": HelloEvent,
    "snapshot": SnapshotEvent,
    "model": ModelObject,
    "model_removed": RemovedModel,
    "memory": MemoryStatus,
    "manager": ManagerStatus,
    "system": SystemStatus,
    "settings": ServerSettingsBody,
    "requests": RequestsEvent,
    "job": JobBody,
    "job_removed": RemovedJob,
    "logs": LogsEvent,
    "download": DownloadBody,
    "download_removed": RemovedDownload,
    "metrics": MetricsEvent,
    "notice": NoticeBody,
    "notice_removed": RemovedNotice,
}


class StatusCalls(Connection):
    """How the server and the machine are."""

    def health(self) -> HealthStatus:
        return self._ask("GET", "/health", HealthStatus)

    def system(self) -> SystemStatus:
        return self._ask("GET", "/v1/system/status", SystemStatus)

    def addresses(self) -> AddressList:
        return self._ask("GET", "/v1/system/addresses", AddressList)

    def manager(self) -> ManagerStatus:
        return self._ask("GET", "/v1/manager/status", ManagerStatus)

    def settings(self) -> ServerSettingsBody:
        return self._ask("GET", "/v1/settings", ServerSettingsBody)

    def change_settings(self, changes: Mapping[str, object]) -> ServerSettingsBody:
        """What holds after `changes`, of which None resets a setting."""
        check_numbers(changes)
        body = encoded({"settings": changes})
        return self._ask("PATCH", "/v1/settings", ServerSettingsBody, body=body)

    @contextmanager
    def events(self, topics: str | None = None) -> Generator[Iterator[Event]]:
        """What happens on the server, for as long as it is read; unknown kinds are skipped.

        Of `topics`, separated by commas, or of the usual ones. Raises ServerUnreachable when the
        stream ends: a server that stops ends it.
        """
        query = "" if topics is None else f"?topics={topics}"
        response = self._open("GET", f"/v1/events{query}")
        try:
            yield self._read_events(response)
        finally:
            response.close()

    def _read_events(self, response: httpx.Response) -> Iterator[Event]:
        with reaching(self.address):
            for name, data in parse_sse(response.iter_bytes()):
                if (event := _EVENTS.get(name)) is not None:
                    yield event.model_validate_json(data)
        raise ServerUnreachable("The server ended the connection.")
