"""`/v1/events`: what the interface shows, live."""

import asyncio
import time
from collections.abc import AsyncGenerator, Iterable
from itertools import count

from fastapi import APIRouter, Response
from pydantic import BaseModel

from mlx_gui.api.auth import requires
from mlx_gui.api.manage.present import present_manager, present_memory
from mlx_gui.api.model_view import utc_time
from mlx_gui.api.present_models import present_model, present_models
from mlx_gui.api.services import InjectedServices, Services
from mlx_gui.api.sse import EventStreamResponse, frame
from mlx_gui.bus import Mark
from mlx_gui.core.errors import MlxGuiError
from mlx_gui.version import __version__
from mlx_gui.wire.errors import ErrorEnvelope
from mlx_gui.wire.models import ErrorBody
from mlx_gui.wire.status import HelloEvent, RemovedModel, SnapshotEvent

HEARTBEAT_S = 15.0
SHORTEST_INTERVAL_S = 0.25

router = APIRouter(
    tags=["Server"],
    dependencies=[requires("models:read")],
    responses={"4XX": {"model": ErrorEnvelope}},
)


@router.get(
    "/v1/events",
    operation_id="stream_events",
    summary="Follow models, memory and queue as they change",
    response_class=Response,
    status_code=200,
)
async def stream_events(services: InjectedServices) -> Response:
    """Server-sent events: `hello`, `snapshot`, then `model`, `model_removed`, `memory`, `manager`.

    Whoever reconnects gets a fresh snapshot. The stream ends when the server stops.
    """
    return EventStreamResponse(
        _Feed(services).frames(),
        error_frame=_error_frame,
        stall_s=services.config.client_stall_s,
        keep_alive_s=HEARTBEAT_S,
    )


class _Feed:
    """What one subscriber has been told."""

    def __init__(self, services: Services) -> None:
        self._services = services
        self._known: set[str] = set()
        self._numbers = count(1)

    async def frames(self) -> AsyncGenerator[bytes]:
        """One batch of frames at a time; changes within an interval come as one."""
        with self._services.bus.subscribe() as changes:
            yield self._hello() + self._snapshot()
            while not self._services.run_loop.snapshot().stopping:
                marks = await changes.next()
                yield b"".join(self._render(mark) for mark in marks)
                await asyncio.sleep(SHORTEST_INTERVAL_S)

    def _hello(self) -> bytes:
        hello = HelloEvent(
            server_version=__version__,
            ui_build=self._services.ui_build(),
            boot_id=self._services.boot_id,
            now=utc_time(time.time()),
        )
        return self._frame("hello", hello)

    def _snapshot(self) -> bytes:
        models = present_models(self._services, self._services.library.models()).data
        self._known = {model.id for model in models}
        return self._frame(
            "snapshot", SnapshotEvent(models=models, memory=present_memory(self._services))
        )

    def _render(self, mark: Mark) -> bytes:
        match mark.topic:
            case "model":
                return self._models([mark.key])
            case "models":
                here = {model.id for model in self._services.library.models()}
                return self._models(sorted(here | self._known))
            case "memory":
                return self._frame("memory", present_memory(self._services))
            case "manager":
                return self._frame("manager", present_manager(self._services))

    def _models(self, ids: Iterable[str]) -> bytes:
        """The present state of these models, or that they are gone."""
        here = {model.id: model for model in self._services.library.models()}
        frames: list[bytes] = []
        for model_id in ids:
            if model_id in here:
                self._known.add(model_id)
                shown = present_model(self._services, here[model_id])
                frames.append(self._frame("model", shown))
            elif model_id in self._known:
                self._known.discard(model_id)
                frames.append(self._frame("model_removed", RemovedModel(id=model_id)))
        return b"".join(frames)

    def _frame(self, event: str, body: BaseModel) -> bytes:
        number = f"{self._services.boot_id}-{next(self._numbers)}"
        return frame(body.model_dump_json().encode(), event=event, id=number)


def _error_frame(error: MlxGuiError) -> bytes:
    body = ErrorBody(code=error.code, message=error.message, hint=error.hint)
    return frame(body.model_dump_json().encode(), event="error")
