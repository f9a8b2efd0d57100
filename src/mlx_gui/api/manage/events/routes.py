"""`/v1/events`: what the interface shows, live."""

import asyncio
import time
from collections.abc import AsyncGenerator, Sequence
from itertools import count
from typing import Annotated

from fastapi import APIRouter, Query, Response
from pydantic import BaseModel

from mlx_gui.api.auth import requires
from mlx_gui.api.documented import errors_as
from mlx_gui.api.injected import InjectedServices
from mlx_gui.api.manage.events.topics import TOPICS, TopicRow, wanted
from mlx_gui.api.model_view import utc_time
from mlx_gui.api.principal import Principal, demand
from mlx_gui.api.services import Services
from mlx_gui.api.sse import EventStreamResponse, frame
from mlx_gui.core.errors import MlxGuiError
from mlx_gui.version import __version__
from mlx_gui.wire.errors import ErrorEnvelope
from mlx_gui.wire.models import ErrorBody
from mlx_gui.wire.status import HelloEvent, SnapshotEvent

HEARTBEAT_S = 15.0
SHORTEST_INTERVAL_S = 0.25

router = APIRouter(tags=["Server"], responses=errors_as(ErrorEnvelope, "4XX"))


@router.get(
    "/v1/events",
    operation_id="stream_events",
    summary="Follow models, memory and queue as they change",
    response_class=Response,
    status_code=200,
)
async def stream_events(
    services: InjectedServices,
    who: Annotated[Principal, requires("models:read")],
    topics: Annotated[
        str | None,
        Query(
            description="What to follow, separated by commas: "
            + ", ".join(f"`{row.name}`" for row in TOPICS)
            + ". By default "
            + ", ".join(f"`{row.name}`" for row in TOPICS if row.usual)
            + "."
        ),
    ] = None,
) -> Response:
    """Server-sent events: `hello`, `snapshot`, then each topic's own as something changes.

    The snapshot has what was asked for. Whoever reconnects gets a fresh one. The stream ends when
    the server stops.
    """
    rows = wanted(topics)
    for row in rows:
        demand(who, row.scope)
    return EventStreamResponse(
        _Feed(services, rows).frames(),
        error_frame=_error_frame,
        stall_s=services.server.config.client_stall_s,
        keep_alive_s=HEARTBEAT_S,
    )


class _Feed:
    """What one subscriber is told."""

    def __init__(self, services: Services, rows: Sequence[TopicRow]) -> None:
        self._services = services
        self._rows = rows
        self._numbers = count(1)

    async def frames(self) -> AsyncGenerator[bytes]:
        """One batch of frames at a time; changes within an interval come as one."""
        with self._services.bus.subscribe([row.name for row in self._rows]) as changes:
            topics = {row.name: row.render(self._services, changes) for row in self._rows}
            yield self._hello()
            known = {name: await renderer.now() for name, renderer in topics.items()}
            yield self._frame("snapshot", SnapshotEvent.model_validate(known))
            while not self._services.models.run_loop.snapshot().stopping:
                told = [
                    self._frame(event, body)
                    for mark in await changes.next()
                    for event, body in await topics[mark.topic].changed(mark.key)
                ]
                yield b"".join(told)
                await asyncio.sleep(SHORTEST_INTERVAL_S)

    def _hello(self) -> bytes:
        hello = HelloEvent(
            server_version=__version__,
            ui_build=self._services.server.ui_build(),
            boot_id=self._services.server.boot_id,
            now=utc_time(time.time()),
        )
        return self._frame("hello", hello)

    def _frame(self, event: str, body: BaseModel) -> bytes:
        number = f"{self._services.server.boot_id}-{next(self._numbers)}"
        return frame(body.model_dump_json().encode(), event=event, id=number)


def _error_frame(error: MlxGuiError) -> bytes:
    body = ErrorBody(code=error.code, message=error.message, hint=error.hint)
    return frame(body.model_dump_json().encode(), event="error")
