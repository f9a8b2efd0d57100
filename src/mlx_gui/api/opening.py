"""What answers from the first moment, while the modules of the API are still being imported.

They take longer than all the rest of a start. `/health` says that the server is alive, which is
true by then; every other request waits until the API is there, and is lost to nobody.
"""

import asyncio

from starlette.requests import Request
from starlette.types import ASGIApp, Receive, Scope, Send

from mlx_gui.api.border import Border
from mlx_gui.api.errors import ErrorResponses
from mlx_gui.api.family import Family
from mlx_gui.api.guard import Guard, rules
from mlx_gui.api.health import health
from mlx_gui.api.intake import UNREAD, Intake
from mlx_gui.api.openai.errors import error_body
from mlx_gui.api.paths import OnePath, plain_path
from mlx_gui.api.principal import demand, principal_of
from mlx_gui.api.services import Services
from mlx_gui.core.errors import MlxGuiError

_HEALTH = "/health"


class Opening:
    """ASGI application: `/health` at once, and the whole API from `complete` on."""

    def __init__(self, services: Services) -> None:
        self.services = services
        self._errors = ErrorResponses((Family("manage", "", (), error_body),))
        # What the whole API has before its routes, as far as it concerns this one.
        guard = Guard(
            self._answer,
            rules=services.server.settings.view(rules),
            errors=self._errors,
            intake_of=_unread,
        )
        self._early = OnePath(Border(guard, errors=self._errors))
        self._whole: ASGIApp | None = None
        self._completed = asyncio.Event()

    def complete(self, whole: ASGIApp) -> None:
        """Let `whole` answer what waits and all that comes."""
        self._whole = whole
        self._completed.set()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if self._whole is None and _asks_for_health(scope):
            await self._early(scope, receive, send)
            return
        await self._completed.wait()
        assert self._whole is not None
        await self._whole(scope, receive, send)

    async def _answer(self, scope: Scope, receive: Receive, send: Send) -> None:
        server = self.services.server
        try:
            who = principal_of(
                Request(scope),
                trusted_proxies=server.config.trusted_proxies,
                token=server.local_token,
            )
            demand(who, "models:read")
            answer = health(self.services)
        except MlxGuiError as refusal:
            answer = self._errors.response(scope, refusal)
        await answer(scope, receive, send)


def _asks_for_health(scope: Scope) -> bool:
    return scope["type"] == "http" and (scope["method"], plain_path(scope["path"])) == (
        "GET",
        _HEALTH,
    )


def _unread(method: str, path: str) -> Intake:
    return UNREAD
