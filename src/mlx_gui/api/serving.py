"""How a route asks a model: find it, translate the body, dispatch, and answer whole or as a stream.

A family brings what is its own: its translation, and how events read as its bytes.
"""

import math
from collections.abc import AsyncGenerator, Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from functools import partial
from typing import Annotated, TypeVar, cast

from fastapi import Depends, Request, Response
from pydantic import BaseModel

from mlx_gui.api.answers import Collector, feed, only
from mlx_gui.api.auth import requires
from mlx_gui.api.bodies import translated
from mlx_gui.api.hangup import first_of, hang_up
from mlx_gui.api.injected import services_of
from mlx_gui.api.linked_pictures import with_linked
from mlx_gui.api.notices import Notices
from mlx_gui.api.picture_files import R, pictures_of, with_files
from mlx_gui.api.pictures import Shown, Sight
from mlx_gui.api.principal import LOCAL, Principal
from mlx_gui.api.priority import RequestPriority
from mlx_gui.api.services import Services
from mlx_gui.api.sse import KEEP_ALIVE_COMMENT, EventStreamResponse
from mlx_gui.core.ask import Ask
from mlx_gui.core.errors import MlxGuiError
from mlx_gui.core.generation import Event, WorkerRequest
from mlx_gui.core.model import Capability, Model

T = TypeVar("T")
C = TypeVar("C", bound=Collector)

MAX_CLIENT_CHARACTERS = 200
"""Of what a client calls itself."""

_TRACEPARENT_CHARACTERS = 55
"""As many as version 00 of the header has, which every later one begins with."""

Events = AsyncGenerator[Event]
ErrorFrame = Callable[[MlxGuiError, str], bytes]
"""How a stream that has begun ends by an error, with the id of its request."""


@dataclass(frozen=True, slots=True)
class Serving:
    """One HTTP request that asks a model. `priority` is that of its header.

    What `until_answered` holds is let go when the answer has gone out, or will not any more.
    """

    services: Services
    request: Request
    notices: Notices
    who: Principal
    priority: int
    until_answered: AsyncExitStack = field(default_factory=AsyncExitStack)

    async def model(self, name: str) -> Model:
        """The installed model that the client calls so. Raises ModelNotFound and NotReady."""
        return await self.services.models.library.find(name)

    async def translated(self, work: Callable[[], T], *, also: int = 0) -> T:
        """What `work` makes of the whole body, and of `also` objects out of the store."""
        return await translated(self.request, work, also=also)

    def shown(self, model: Model, *, writes_down: bool = False) -> Shown:
        """What the request may show `model` besides text.

        `writes_down` says whether the route has sounds written down, where the setting allows it.
        """
        facts, config = model.facts, self.services.server.config
        hears = writes_down and config.chat_audio_model != "off"
        if facts is None or "vision" not in facts.capabilities:
            return Shown(self.notices, hears=hears)
        sight = Sight(
            most_pictures=config.max_pictures,
            most_pixels=config.max_picture_pixels,
            most_bytes=config.max_picture_bytes,
            urls=config.media_urls,
        )
        return Shown(self.notices, sight, hears=hears)

    async def with_pictures(self, request: R, shown: Shown) -> R:
        """`request` with all that is `shown` there, as it can travel.

        Files that it needs last until the answer ends. Raises StoreError and DiskFull, and as
        `linked_pictures.py:with_linked` does.
        """
        if not pictures_of(request):
            return request
        services = self.services
        files = await self.until_answered.enter_async_context(services.uploads.of_request())
        if shown.links:
            fetching = with_linked(
                request, shown.links, services.media, services.server.config, files=files
            )
            request = await first_of(fetching, hang_up(self.request.receive))
        return await with_files(request, services.uploads, files)

    def events(
        self,
        model: Model,
        asked: WorkerRequest,
        *,
        id: str,
        needs: Capability,
        credits: int = 1,
        priority: int | None = None,
        keep_alive_s: float | None = None,
    ) -> Events:
        """The events of the answer `id`; what they say is not enforced is noted.

        Closing them early cancels the request. A `priority` in the body wins over the header's.
        `needs` and `credits` are as in `Ask`, `keep_alive_s` as in `Dispatch.events`.
        """
        scope = self.request.scope
        ask = Ask(
            id,
            asked,
            needs,
            request_id=self.request.state.request_id,
            endpoint=scope["route"].path,
            client=self.request.headers.get("user-agent", "")[:MAX_CLIENT_CHARACTERS],
            tenant=self.who.tenant,
            traceparent=self.request.headers.get("traceparent", "")[:_TRACEPARENT_CHARACTERS],
            key_id=None if self.who.id == LOCAL.id else self.who.id,
            priority=self.priority if priority is None else priority,
            credits=credits,
        )
        events = self.services.dispatch.events(model, ask, keep_alive_s=keep_alive_s)
        return self.notices.watch(events)

    async def whole(self, collector: C, events: Events) -> C:
        """`collector`, fed with all of `events`; a client that hangs up ends them."""
        return await feed(collector, events, self.request.receive)

    async def only(self, kind: type[T], events: Events) -> T:
        """The one event of `kind` among `events`; a client that hangs up ends them."""
        return await only(events, kind, self.request.receive)

    def stream(
        self,
        frames: AsyncGenerator[bytes],
        *,
        error_frame: ErrorFrame,
        keep_alive: bytes = KEEP_ALIVE_COMMENT,
        media_type: str | None = None,
    ) -> Response:
        """`frames` as they come."""
        return EventStreamResponse(
            frames,
            error_frame=partial(_error_frame, error_frame, self.request.state.request_id),
            stall_s=self.services.server.config.client_stall_s,
            commit_s=self.services.server.config.stream_commit_s,
            keep_alive=keep_alive,
            media_type=media_type,
        )

    def media(self, pieces: AsyncGenerator[bytes], media_type: str) -> Response:
        """`pieces` of a file as they come.

        Its status line waits for the first of them; an error after that breaks the connection off.
        """
        return EventStreamResponse(
            pieces,
            error_frame=None,
            stall_s=self.services.server.config.client_stall_s,
            commit_s=math.inf,
            keep_alive=b"",
            media_type=media_type,
        )


async def serving(
    request: Request,
    who: Annotated[Principal, requires("inference")],
    priority: RequestPriority = 0,
) -> AsyncGenerator[Serving]:
    """What a route that asks a model needs; its author may infer."""
    async with AsyncExitStack() as until_answered:
        notices = cast(Notices, request.state.notices)
        yield Serving(services_of(request), request, notices, who, priority, until_answered)


InjectedServing = Annotated[Serving, Depends(serving)]


def json_of(answer: BaseModel) -> Response:
    """A whole answer."""
    return Response(answer.model_dump_json(), media_type="application/json")


def _error_frame(error_frame: ErrorFrame, request_id: str, error: MlxGuiError) -> bytes:
    return error_frame(error, request_id)
