"""Who asks, and what they may do."""

import hmac
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal, get_args

from starlette.requests import HTTPConnection

from mlx_gui.api.proxies import is_local
from mlx_gui.api.visitor import visitor_of
from mlx_gui.core.errors import Forbidden, Unauthenticated

AccessScope = Literal["inference", "models:read", "models:manage", "admin"]


@dataclass(frozen=True, slots=True)
class Principal:
    """The author of a request. Requests of one `tenant` share queue turns and caches.

    `page` is the origin that keeps it from having all scopes, None without one.
    """

    id: str
    tenant: str
    scopes: frozenset[AccessScope]
    page: str | None = None


LOCAL = Principal("local", "local", frozenset(get_args(AccessScope)))
_OF_LOCAL_PAGES: frozenset[AccessScope] = frozenset({"inference", "models:read"})


def principal_of(
    request: HTTPConnection, *, trusted_proxies: Sequence[str], token: str
) -> Principal:
    """The author of `request`.

    From this machine everything is open, whatever key is sent: official clients insist on sending
    one, so a wrong one means nothing there. From elsewhere `token` is required. A page of
    this machine that is neither ours nor listed may infer and read, by whatever key. Raises
    Unauthenticated.
    """
    if _is_local(request, trusted_proxies) or _has_token(request, token):
        visitor = visitor_of(request.scope)
        if visitor is None or visitor.standing != "local":
            return LOCAL
        return replace(LOCAL, scopes=_OF_LOCAL_PAGES, page=visitor.origin)
    raise Unauthenticated(
        "This request needs a key.",
        hint="Send `Authorization: Bearer KEY` or `x-api-key: KEY`; on the server's own machine "
        "none is needed, unless a proxy stands between that the setting trusted_proxies lacks.",
    )


def demand(who: Principal, scope: AccessScope) -> None:
    """Raises Forbidden unless `who` has `scope`."""
    if scope not in who.scopes and who.page is not None:
        raise Forbidden(
            f"A page of {who.page} may infer and read here, but not change anything.",
            hint="Use the server's own interface or command line, or add the page's origin to "
            "the setting allowed_origins.",
        )
    if scope not in who.scopes:
        raise Forbidden(f"The key {who.id} lacks the scope {scope}.", hint="Use a key that has it.")


def _is_local(request: HTTPConnection, trusted_proxies: Sequence[str]) -> bool:
    peer = request.client.host if request.client is not None else None
    return is_local(peer, request.headers, trusted_proxies)


def _has_token(request: HTTPConnection, token: str) -> bool:
    """Whether a key is the token; Anthropic's clients may send one in each of the two places."""
    scheme, _, bearer = request.headers.get("authorization", "").partition(" ")
    keys = [request.headers.get("x-api-key", ""), bearer if scheme.lower() == "bearer" else ""]
    return any(hmac.compare_digest(key.encode(), token.encode()) for key in keys)
