"""One meaning for each path however it is written, and for methods that no route names."""

import re
from collections.abc import Iterable

from starlette.responses import Response
from starlette.routing import BaseRoute, Match, Mount
from starlette.types import ASGIApp, Message, Receive, Scope, Send

_ROUTED = ("GET", "POST", "PUT", "PATCH", "DELETE")
_SLASHES = re.compile("//+")
_FOLDERS = ("/admin", "/docs")
"""Where a slash at the end belongs to the address, since pages name their files from it."""


class OnePath:
    """ASGI middleware, before all others: slashes that are doubled or at the end mean nothing."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            # A copy: the server looks into its own one while it answers.
            scope = {**scope, "path": plain_path(scope["path"])}
        await self.app(scope, receive, send)


class AnyReadingMethod:
    """ASGI middleware, right before the routes: HEAD for every GET, and OPTIONS for every path."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        method = scope["method"] if scope["type"] == "http" else ""
        if method == "OPTIONS" and (allowed := allowed_methods(scope)):
            await Response(status_code=204, headers={"allow": allowed})(scope, receive, send)
        elif method == "HEAD" and "GET" in allowed_methods(scope):
            await self.app({**scope, "method": "GET"}, receive, _head_of(send))
        else:
            await self.app(scope, receive, send)


def plain_path(path: str) -> str:
    """`path` as the routes have it."""
    path = _SLASHES.sub("/", path)
    if path.startswith(tuple(f"{folder}/" for folder in _FOLDERS)):
        return path
    return path.rstrip("/") or "/"


def allowed_methods(scope: Scope) -> str:
    """What the path of `scope` takes, as `Allow` lists it; empty where there is nothing."""
    routes: Iterable[BaseRoute] = scope["app"].router.routes
    found = [method for method in _ROUTED if any(_takes(each, scope, method) for each in routes)]
    if "GET" in found:
        found.insert(1, "HEAD")
    return ", ".join(found)


def _takes(route: BaseRoute, scope: Scope, method: str) -> bool:
    # What is mounted are files.
    if isinstance(route, Mount) and method != "GET":
        return False
    return route.matches({**scope, "method": method})[0] is Match.FULL


def _head_of(send: Send) -> Send:
    """A `send` that ends with the headers: a stream is not to be waited for."""
    ended = False

    async def send_head(message: Message) -> None:
        nonlocal ended
        if ended:
            return
        ended = message["type"] == "http.response.start"
        await send(message)
        if ended:
            await send({"type": "http.response.body", "body": b"", "more_body": False})

    return send_head
