"""Serves the built interface under `/admin` and the API reference under `/docs`."""

import os
from collections.abc import Mapping
from pathlib import Path

from starlette.applications import Starlette
from starlette.datastructures import Headers, MutableHeaders
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import HTMLResponse, PlainTextResponse, RedirectResponse, Response
from starlette.routing import Route
from starlette.staticfiles import StaticFiles
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from mlx_gui.core.program import why_gone

STATIC_FOLDER = Path(__file__).parent / "static"

COMMON_HEADERS = {
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Permissions-Policy": "microphone=(self), camera=(), geolocation=()",
}
ADMIN_HEADERS = {
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data: blob:; "
        "media-src 'self' blob:; font-src 'self'; connect-src 'self'; worker-src 'self'; "
        "manifest-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'; "
        "require-trusted-types-for 'script'; trusted-types svelte-trusted-html dompurify"
    ),
    **COMMON_HEADERS,
}
DOCS_HEADERS = {
    # Swagger UI sets style attributes and reads its own pictures from data: addresses.
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; "
        "img-src 'self' data:; connect-src 'self'; base-uri 'none'; form-action 'self'; "
        "frame-ancestors 'none'"
    ),
    **COMMON_HEADERS,
}

REVALIDATE = "no-cache"
IMMUTABLE = "public, max-age=31536000, immutable"
HASHED_FOLDER = "assets"
RUNNING = "mlx-gui is running. Its API is under /v1, the reference of it at /docs.\n"

NOT_BUILT = """<!doctype html>
<html lang="en">
<head><meta charset="utf-8"><title>mlx-gui: the interface is not built</title></head>
<body>
<h1>The interface is not built</h1>
<p>The server runs and its API answers, but this installation has no web interface.
It was installed with <code>MLX_GUI_SKIP_WEB_BUILD=1</code>, or its build did not finish.</p>
<p>Build it in the source folder with <code>pip install -e .</code>, then reload this page.</p>
</body>
</html>
"""


PAGES_OF_NAMES = ("models/", "discover/")
"""Below `/admin`: what follows is a model's id."""


def mount(app: Starlette) -> None:
    """Adds `/admin`, `/docs` and the redirect from `/` to `app`."""
    interface = BuiltFiles(STATIC_FOLDER, fallback=True)
    app.mount("/admin", WithHeaders(interface, ADMIN_HEADERS))
    app.mount("/docs", WithHeaders(BuiltFiles(STATIC_FOLDER / "docs"), DOCS_HEADERS))
    app.router.routes += [
        Route("/admin", WithHeaders(RedirectResponse("/admin/"), ADMIN_HEADERS), methods=["GET"]),
        Route("/docs", WithHeaders(RedirectResponse("/docs/"), DOCS_HEADERS), methods=["GET"]),
        Route("/", open_interface, methods=["GET"]),
    ]


def ui_build() -> str | None:
    """The digest of the sources that the built interface comes from, or None without one."""
    try:
        return (STATIC_FOLDER / "build.txt").read_text()
    except FileNotFoundError:
        return None


async def open_interface(request: Request) -> Response:
    if "text/html" in request.headers.get("accept", ""):
        return RedirectResponse("/admin/")
    # Ollama's own programs look here whether the server is there, and end if it does not say so.
    return PlainTextResponse(RUNNING)


class BuiltFiles(StaticFiles):
    """The files of one folder, compressed where the build left a `.gz` beside them.

    With `fallback`, paths that name no file answer `index.html`: they belong to the interface's own
    router. Those have no dot in them, or are below a page of models, whose names may have some.
    """

    def __init__(self, folder: Path, *, fallback: bool = False) -> None:
        super().__init__(directory=folder, html=True, check_dir=False)
        self._index = folder / "index.html"
        self._fallback = fallback

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        # The folder may be built while the server runs, so `check_config` is of no use.
        self.config_checked = True
        await super().__call__(scope, receive, send)

    async def get_response(self, path: str, scope: Scope) -> Response:
        if not self._index.is_file():
            if (why := why_gone()) is not None:
                return PlainTextResponse(" ".join(why) + "\n", status_code=503)
            return HTMLResponse(NOT_BUILT, status_code=503)
        named = "." in path.removeprefix(".") and not path.startswith(PAGES_OF_NAMES)
        if self._fallback and not named:
            path = "index.html"
        try:
            return await super().get_response(path, scope)
        except HTTPException as error:
            # Answered here, so that refusals carry the policy too.
            return PlainTextResponse(error.detail, error.status_code, error.headers)

    def file_response(
        self,
        full_path: str | os.PathLike[str],
        stat_result: os.stat_result,
        scope: Scope,
        status_code: int = 200,
    ) -> Response:
        compressed = Path(f"{full_path}.gz")
        use_compressed = compressed.is_file() and "gzip" in Headers(scope=scope).get(
            "accept-encoding", ""
        )
        if use_compressed:
            full_path, stat_result = compressed, compressed.stat()
        response = super().file_response(full_path, stat_result, scope, status_code)
        hashed = Path(full_path).parent.name == HASHED_FOLDER
        response.headers["Cache-Control"] = IMMUTABLE if hashed else REVALIDATE
        response.headers["Vary"] = "Accept-Encoding"
        if use_compressed:
            response.headers["Content-Encoding"] = "gzip"
        return response


class WithHeaders:
    """An ASGI application whose every response carries `headers`."""

    def __init__(self, app: ASGIApp, headers: Mapping[str, str]) -> None:
        self._app = app
        self._headers = headers

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                MutableHeaders(scope=message).update(self._headers)
            await send(message)

        await self._app(scope, receive, send_with_headers)
