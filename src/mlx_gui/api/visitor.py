"""Pages of browsers and of programs built like one: which may ask this server, and what for."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal
from urllib.parse import urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import Scope

from mlx_gui.api.notices import (
    LEFT_OUT_HEADER,
    MOVED_HEADER,
    NOT_ENFORCED_HEADER,
    SCALED_DOWN_HEADER,
    TRANSCRIBED_HEADER,
)
from mlx_gui.core.errors import InvalidRequest
from mlx_gui.core.origin import Origin, parse_origin
from mlx_gui.core.setting_row import shown

Standing = Literal["program", "own", "listed", "local", "foreign"]

_SHELL_SCHEMES = frozenset({"app", "tauri", "vscode-webview", "vscode-file", "capacitor", "ionic"})
"""Of native programs whose windows are pages. No web page can take one."""
_LOCAL_NAMES = frozenset({"localhost", "127.0.0.1", "::1", "0.0.0.0", "tauri.localhost"})
_WEB_PORTS = {"http": 80, "https": 443}
_EXPOSED = (
    "x-request-id",
    "request-id",
    "retry-after",
    "x-should-retry",
    "x-context-tokens",
    LEFT_OUT_HEADER,
    NOT_ENFORCED_HEADER,
    SCALED_DOWN_HEADER,
    MOVED_HEADER,
    TRANSCRIBED_HEADER,
)
_STATE_KEY = "visitor"


@dataclass(frozen=True, slots=True)
class Visitor:
    """Who sent a request, as far as a browser says it. `origin` is the header, None without one.

    A "program" is no page at all, or one of ours that only reads. Pages of the server's "own" and
    "listed" ones may do what any program may. "local" ones, the windows of native programs and the
    pages that this machine serves, may infer and read.
    """

    standing: Standing
    origin: str | None = None

    @property
    def name(self) -> str:
        return shown(self.origin) if self.origin else "another site"


class Visitors:
    """Judges pages by the headers that scripts cannot set; `listed` is `allowed_origins`."""

    def __init__(self, listed: Sequence[str]) -> None:
        whole = [text for text in listed if not text.endswith("://*")]
        self._listed = frozenset(map(parse_origin, whole))
        self._listed_schemes = frozenset(
            text.removesuffix("://*") for text in listed if text not in whole
        )

    def of(self, headers: Headers) -> Visitor:
        """Who sent `headers`. Raises InvalidRequest where they name several origins."""
        named = headers.getlist("origin")
        if len(named) > 1:
            raise InvalidRequest(
                f"The request has {len(named)} Origin headers.", hint="Send one, or none."
            )
        site = headers.get("sec-fetch-site", "none")
        from_here = site in ("same-origin", "none")
        if not named:
            return Visitor("program" if from_here else "foreign")
        origin = parse_origin(named[0])
        return Visitor(self._standing(origin, headers, from_here=from_here), named[0])

    def _standing(self, origin: Origin | None, headers: Headers, *, from_here: bool) -> Standing:
        if origin is None:
            return "foreign"
        if from_here and _is_same(origin, headers.get("host", "")):
            return "own"
        if origin in self._listed or origin.scheme in self._listed_schemes:
            return "listed"
        on_this_machine = origin.scheme in _WEB_PORTS and origin.host in _LOCAL_NAMES
        return "local" if on_this_machine or origin.scheme in _SHELL_SCHEMES else "foreign"


def note_visitor(scope: Scope, visitor: Visitor) -> None:
    """Keep who sent the request, for `visitor_of`."""
    scope["state"][_STATE_KEY] = visitor


def visitor_of(scope: Scope) -> Visitor | None:
    """Who sent the request, once that is judged."""
    return scope.get("state", {}).get(_STATE_KEY)


def let_read(headers: MutableHeaders, visitor: Visitor | None) -> None:
    """Add to an answer's `headers` what makes a browser show it to the page that asked."""
    headers.add_vary_header("Origin")
    if visitor is not None and visitor.origin is not None and visitor.standing != "foreign":
        headers["access-control-allow-origin"] = visitor.origin
        headers["access-control-expose-headers"] = ", ".join(_EXPOSED)


def authority(url: str) -> tuple[str | None, int | None]:
    """Name and port of `url`; without a name it is none that could be ours."""
    try:
        parts = urlsplit(url)
        return parts.hostname, parts.port
    except ValueError:
        return None, None


def _is_same(origin: Origin, host: str) -> bool:
    """Whether a page of `origin` was served under the name and port that the request addresses."""
    default_port = _WEB_PORTS.get(origin.scheme)
    if default_port is None:
        return False
    name, port = authority(f"//{host}")
    return origin.host == name and (origin.port or default_port) == (port or default_port)
