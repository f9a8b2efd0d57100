"""What no request passes without: addressed to us, not sent by a foreign page, not too large."""

import ipaddress
from collections.abc import Callable
from dataclasses import dataclass

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Receive, Scope, Send

from mlx_gui.api.connection import refusal_of
from mlx_gui.api.errors import ErrorResponses
from mlx_gui.api.intake import Intake, check_declared, counted, has_body
from mlx_gui.api.preflight import is_preflight, permission
from mlx_gui.api.visitor import Visitor, Visitors, authority, note_visitor
from mlx_gui.config import Config
from mlx_gui.core.errors import Forbidden, MlxGuiError

_READING_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})
_WILDCARDS = frozenset({"0.0.0.0", "::"})


@dataclass(frozen=True, slots=True)
class Rules:
    """What the guard has to know of the settings; how large bodies may be says `config`."""

    config: Config
    hosts: frozenset[str]
    any_address: bool
    visitors: Visitors


def rules(config: Config) -> Rules:
    """The part of `config` that the guard holds requests to."""
    return Rules(
        config=config,
        hosts=frozenset({"localhost", config.host.lower(), *map(str.lower, config.allowed_hosts)}),
        any_address=config.host in _WILDCARDS,
        visitors=Visitors(config.allowed_origins),
    )


class Guard:
    """ASGI middleware before all routes; it also answers what browsers ask before a request.

    `intake_of` says what the route of a method and a path takes of bodies. Websockets are refused:
    nothing here speaks them.
    """

    def __init__(
        self,
        app: ASGIApp,
        *,
        rules: Callable[[], Rules],
        errors: ErrorResponses,
        intake_of: Callable[[str, str], Intake],
    ) -> None:
        self.app = app
        self._errors = errors
        self._intake_of = intake_of
        self._rules = rules

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "websocket":
            await receive()
            await send({"type": "websocket.close", "code": 1008, "reason": "No websockets here."})
            return
        if scope["type"] == "http":
            headers = Headers(scope=scope)
            try:
                if unread := refusal_of(scope):
                    raise unread
                visitor = self.check(scope["method"], scope["path"], headers)
                note_visitor(scope, visitor)
                receive = self._bounded(scope, headers, receive)
                preflight = is_preflight(scope["method"], headers)
                answer = permission(headers) if preflight else self.app
            except MlxGuiError as refusal:
                answer = self._errors.response(scope, refusal)
            await answer(scope, receive, send)

    def check(self, method: str, path: str, headers: Headers) -> Visitor:
        """Who asks. Raises Forbidden, InvalidRequest, PayloadTooLarge or UnsupportedMedia."""
        self._check_host(headers)
        visitor = self._rules().visitors.of(headers)
        _check_visitor(visitor, method)
        if has_body(headers):
            intake = self._intake_of(method, path)
            check_declared(intake, headers, path=path, config=self._rules().config)
        return visitor

    def _check_host(self, headers: Headers) -> None:
        """A page can make its own name resolve to this machine, but not change the Host header."""
        named = headers.getlist("host")
        host, _ = authority(f"//{named[0]}") if len(named) == 1 else (None, None)
        if host is None or not self._is_ours(host.rstrip(".")):
            raise Forbidden(
                f"This server does not answer to the host name {host or '(none)'}.",
                hint="Use its address, or add the name to the setting allowed_hosts.",
            )

    def _is_ours(self, host: str) -> bool:
        if host in self._rules().hosts:
            return True
        try:
            address = ipaddress.ip_address(host)
        except ValueError:
            return False
        return address.is_loopback or self._rules().any_address

    def _bounded(self, scope: Scope, headers: Headers, receive: Receive) -> Receive:
        """The same `receive`; a body that tells no length is counted as it arrives."""
        if "transfer-encoding" not in headers:
            return receive
        path = scope["path"]
        intake = self._intake_of(scope["method"], path)
        return counted(receive, intake, path=path, config=self._rules().config)


def _check_visitor(visitor: Visitor, method: str) -> None:
    """Raises Forbidden for a foreign page.

    Programs send no origin and pass. So do links, pictures and the like on foreign pages, which
    only read and are not shown to the page.
    """
    reads = method in _READING_METHODS
    if visitor.standing != "foreign" or (reads and visitor.origin is None):
        return
    raise Forbidden(
        f"A page of {visitor.name} may not {'read' if reads else 'change'} anything here.",
        hint="Open the interface at the server's own address, or add the page's origin to the "
        "setting allowed_origins.",
    )
