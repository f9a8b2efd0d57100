"""What no request passes without: addressed to us, not sent by a foreign page, not too large."""

import ipaddress
from urllib.parse import urlsplit

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Receive, Scope, Send

from mlx_gui.api.errors import ErrorResponses
from mlx_gui.config import Config
from mlx_gui.core.errors import Forbidden, MlxGuiError, PayloadTooLarge, UnsupportedMedia

_READING_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})
_DEFAULT_PORTS = {"http": 80, "https": 443}
_WILDCARDS = frozenset({"0.0.0.0", "::"})
_JSON_ONLY_PREFIX = "/v1/"


class Guard:
    """ASGI middleware before all routes. Websockets are refused: nothing here speaks them."""

    def __init__(self, app: ASGIApp, *, config: Config, errors: ErrorResponses) -> None:
        self.app = app
        self._errors = errors
        self._max_body_bytes = config.max_body_bytes
        self._hosts = {"localhost", config.host.lower(), *map(str.lower, config.allowed_hosts)}
        self._any_address = config.host in _WILDCARDS

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "websocket":
            await receive()
            await send({"type": "websocket.close", "code": 1008, "reason": "No websockets here."})
            return
        if scope["type"] == "http":
            try:
                self.check(scope["method"], scope["path"], Headers(scope=scope))
            except MlxGuiError as refusal:
                await self._errors.response(scope, refusal)(scope, receive, send)
                return
        await self.app(scope, receive, send)

    def check(self, method: str, path: str, headers: Headers) -> None:
        """Raises Forbidden, PayloadTooLarge or UnsupportedMedia."""
        self._check_host(headers)
        if method not in _READING_METHODS:
            _check_same_origin(headers)
        self._check_body(path, headers)

    def _check_host(self, headers: Headers) -> None:
        """A page can make its own name resolve to this machine, but not change the Host header."""
        named = headers.getlist("host")
        host, _ = _authority(f"//{named[0]}") if len(named) == 1 else (None, None)
        if host is None or not self._is_ours(host.rstrip(".")):
            raise Forbidden(
                f"This server does not answer to the host name {host or '(none)'}.",
                hint="Use its address, or add the name to the setting allowed_hosts.",
            )

    def _is_ours(self, host: str) -> bool:
        if host in self._hosts:
            return True
        try:
            address = ipaddress.ip_address(host)
        except ValueError:
            return False
        return address.is_loopback or self._any_address

    def _check_body(self, path: str, headers: Headers) -> None:
        """Chunked bodies have no length here; those are counted as they arrive."""
        length = int(headers.get("content-length", 0))
        if length > self._max_body_bytes:
            raise PayloadTooLarge(
                f"The body has {length} bytes; this server takes {self._max_body_bytes}.",
                hint="Raise max_body_bytes or send less.",
            )
        has_body = length > 0 or "transfer-encoding" in headers
        encoding = headers.get("content-encoding", "identity").strip().lower()
        if has_body and encoding != "identity":
            raise UnsupportedMedia(
                f"{path} takes no body that is compressed ({encoding}).",
                hint="Send it as it is, without the header `Content-Encoding`.",
            )
        if has_body and path.startswith(_JSON_ONLY_PREFIX):
            sent = headers.get("content-type", "").split(";")[0].strip().lower()
            if sent != "application/json":
                raise UnsupportedMedia(
                    f"{path} takes application/json, not {sent or 'a body without a type'}.",
                    hint="Send the header `Content-Type: application/json`.",
                )


def _check_same_origin(headers: Headers) -> None:
    """Browsers say where a request comes from; other programs send neither header and pass."""
    site = headers.get("sec-fetch-site", "none")
    origin = headers.get("origin")
    if site in ("same-origin", "none") and (origin is None or _is_same(origin, headers["host"])):
        return
    raise Forbidden(
        f"A page of {origin or 'another site'} may not change anything here.",
        hint="Open the interface at the server's own address.",
    )


def _is_same(origin: str, host: str) -> bool:
    """Whether a page of `origin` was served under the name and port that the request addresses."""
    default_port = _DEFAULT_PORTS.get(origin.partition(":")[0])
    if default_port is None:
        return False
    page_name, page_port = _authority(origin)
    our_name, our_port = _authority(f"//{host}")
    return page_name == our_name and (page_port or default_port) == (our_port or default_port)


def _authority(url: str) -> tuple[str | None, int | None]:
    """Name and port of `url`; without a name it is none that could be ours."""
    try:
        parts = urlsplit(url)
        return parts.hostname, parts.port
    except ValueError:
        return None, None
