"""A server of a few files that heeds ranges, or misbehaves as a test says."""

import gzip
import hashlib
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from mlx_gui.core.fetching import FetchFile, FetchOrder

Trick = Callable[["Handler", bytes], bool]
"""Whether it has answered the request for these bytes itself."""


@dataclass
class Shelf:
    """What is there and who asked: `tricks` by path, tried in order for each request."""

    files: dict[str, bytes] = field(default_factory=dict[str, bytes])
    tricks: dict[str, list[Trick]] = field(default_factory=dict[str, list[Trick]])
    etags: dict[str, str] = field(default_factory=dict[str, str])
    asked: list[tuple[str, dict[str, str]]] = field(
        default_factory=list[tuple[str, dict[str, str]]]
    )
    given_bytes: dict[str, int] = field(default_factory=dict[str, int])
    peers: set[object] = field(default_factory=set[object])
    address: str = ""
    lock: threading.Lock = field(default_factory=threading.Lock)

    def put(self, path: str, content: bytes, *tricks: Trick) -> None:
        self.files[path] = content
        self.tricks[path] = list(tricks)

    def etag(self, path: str) -> str:
        return self.etags.get(path) or f'"{hashlib.sha256(self.files[path]).hexdigest()}"'


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Any

    def log_message(self, format: str, *args: object) -> None:
        pass

    @property
    def shelf(self) -> Shelf:
        return self.server.shelf

    def do_GET(self) -> None:
        path = self.path.lstrip("/").partition("?")[0]
        with self.shelf.lock:
            headers = {name.lower(): value for name, value in self.headers.items()}
            self.shelf.asked.append((path, headers))
            self.shelf.peers.add(self.client_address)
        content = self.shelf.files.get(path)
        if content is None:
            return self.answer(404, b"")
        for trick in list(self.shelf.tricks[path]):
            if trick(self, content):
                return None
        return self.give(content)

    def give(self, content: bytes) -> None:
        """As a good server: the range that was asked for, unless the file has changed."""
        path = self.path.lstrip("/").partition("?")[0]
        etag = self.shelf.etag(path)
        asked = self.headers.get("range")
        condition = self.headers.get("if-range")
        if asked is None or (condition is not None and condition != etag):
            return self.answer(200, content, ETag=etag)
        first, _, last = asked.removeprefix("bytes=").partition("-")
        start, end = int(first), int(last) + 1 if last else len(content)
        if start >= len(content):
            return self.answer(416, b"", **{"Content-Range": f"bytes */{len(content)}"})
        end = min(end, len(content))
        return self.answer(
            206,
            content[start:end],
            ETag=etag,
            **{"Content-Range": f"bytes {start}-{end - 1}/{len(content)}"},
        )

    def answer(self, status: int, body: bytes, **headers: str) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
        path = self.path.lstrip("/").partition("?")[0]
        with self.shelf.lock:
            self.shelf.given_bytes[path] = self.shelf.given_bytes.get(path, 0) + len(body)


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    shelf: Shelf

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that hangs up is nothing to tell of."""


@contextmanager
def serving() -> Iterator[Shelf]:
    """An empty shelf on a port of its own."""
    server = _Server(("127.0.0.1", 0), Handler)
    server.shelf = Shelf(address=f"http://127.0.0.1:{server.server_address[1]}")
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield server.shelf
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def once(trick: Callable[[Handler, bytes], None], *, times: int = 1) -> Trick:
    """Only the first few requests meet the trick."""
    left = threading.Semaphore(times)

    def sometimes(handler: Handler, content: bytes) -> bool:
        if not left.acquire(blocking=False):
            return False
        trick(handler, content)
        return True

    return sometimes


def always(trick: Callable[[Handler, bytes], None]) -> Trick:
    """Every request meets it."""

    def each_time(handler: Handler, content: bytes) -> bool:
        trick(handler, content)
        return True

    return each_time


def refuse(status: int, **headers: str) -> Callable[[Handler, bytes], None]:
    return lambda handler, _: handler.answer(status, b"no", **headers)


def send_on(target: str, status: int = 302) -> Callable[[Handler, bytes], None]:
    return lambda handler, _: handler.answer(status, b"", Location=target)


def cut(handler: Handler, content: bytes) -> None:
    """The connection ends in the middle of what was asked for."""
    whole = handler.wfile
    first, _, last = handler.headers.get("range", "bytes=0-").removeprefix("bytes=").partition("-")
    start, end = int(first), int(last) + 1 if last else len(content)
    handler.send_response(206 if "range" in handler.headers else 200)
    handler.send_header("ETag", handler.shelf.etag(handler.path.lstrip("/")))
    if "range" in handler.headers:
        handler.send_header("Content-Range", f"bytes {start}-{end - 1}/{len(content)}")
    handler.send_header("Content-Length", str(end - start))
    handler.end_headers()
    whole.write(content[start : start + (end - start) // 2])
    whole.flush()
    handler.close_connection = True
    handler.connection.close()


def pack(handler: Handler, content: bytes) -> None:
    """The whole file, packed and without a length, whatever was asked for."""
    handler.send_response(200)
    handler.send_header("Content-Encoding", "gzip")
    handler.send_header("Connection", "close")
    handler.end_headers()
    handler.wfile.write(gzip.compress(content))
    handler.close_connection = True


def file_on(shelf: Shelf, folder: Path, path: str, content: bytes | None = None) -> FetchFile:
    """The order for one file; `content` is what it should be, by default what the shelf has."""
    whole = shelf.files[path] if content is None else content
    digest = hashlib.sha256(whole).hexdigest()
    return FetchFile(
        name=path,
        url=f"{shelf.address}/{path}",
        target=str(folder / digest),
        part=str(folder / f"{digest}.incomplete"),
        journal=str(folder / f"{digest}.journal"),
        lock=str(folder / "locks" / f"{digest}.lock"),
        size_bytes=len(whole),
        digest=digest,
        algorithm="sha256",
    )


def order_of(shelf: Shelf, folder: Path, *files: FetchFile, **changes: Any) -> FetchOrder:
    """The order for some files, with a token that only the shelf is to see."""
    usual: dict[str, Any] = {
        "files": files,
        "endpoint": shelf.address,
        "token": "hf_secret",
        "lock": str(folder / "locks" / "repo.lock"),
        "agent": "test",
        "connections": 4,
        "bytes_per_s": 0,
        "stall_s": 20.0,
        "patience_s": 20.0,
    }
    return FetchOrder(**{**usual, **changes})
