"""A server of pictures, of redirects and of all that a fetch must not fall for."""

import ssl
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from tests.support.pictures import RED, plain

PNG = plain(RED)


@dataclass
class MediaServer:
    """What was asked of it, by path, with the headers."""

    port: int
    asked: list[tuple[str, dict[str, str]]] = field(default_factory=list[Any])
    leads_to: dict[str, str] = field(default_factory=dict[str, str])
    """Where a path redirects."""
    closing: threading.Event = field(default_factory=threading.Event)

    @property
    def paths(self) -> list[str]:
        return [path for path, _ in self.asked]


@contextmanager
def media_server(folder: Path | None = None, *, named: str = "") -> Iterator[MediaServer]:
    """Serves on this machine; with a `folder` by https, as the host `named`.

    The certificate, which is its own authority, is then `folder`/tls.pem.
    """
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Handler)
    server.daemon_threads = True
    media: Any = MediaServer(server.server_port)
    server.media = media  # type: ignore[attr-defined]
    if folder is not None:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate(folder, named), folder / "tls.key")
        server.socket = context.wrap_socket(server.socket, server_side=True)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield media
    finally:
        media.closing.set()
        server.shutdown()
        server.server_close()
        thread.join()


def certificate(folder: Path, named: str) -> Path:
    """A new certificate for the host `named`."""
    path = folder / "tls.pem"
    command = [
        "openssl", "req", "-x509", "-nodes", "-newkey", "rsa:2048", "-days", "2",
        "-subj", "/CN=test", "-addext", f"subjectAltName=DNS:{named}",
        "-addext", "keyUsage=critical,digitalSignature,keyCertSign,cRLSign",
        "-keyout", str(folder / "tls.key"), "-out", str(path),
    ]  # fmt: skip
    subprocess.run(command, check=True, capture_output=True, timeout=60)
    return path


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        media: MediaServer = self.server.media  # type: ignore[attr-defined]
        media.asked.append((self.path, {name.lower(): text for name, text in self.headers.items()}))
        with suppress(OSError):
            self._answer(media)

    def _answer(self, media: MediaServer) -> None:
        self.close_connection = True
        if (target := media.leads_to.get(self.path)) is not None:
            self._say(302, {"location": target})
            return
        match self.path:
            case "/a.png" | "/again.png":
                self._say(200, {"content-type": "image/png"}, PNG)
            case "/large.png":
                self._say(200, {"content-type": "image/png"}, PNG + bytes(500_000))
            case "/untyped":
                self._say(200, {}, PNG)
            case "/page.png":
                self._say(200, {"content-type": "text/html; charset=utf-8"}, b"<html>")
            case "/lying.png":
                self._say(200, {"content-type": "image/png"}, b"<!doctype html><html>")
            case "/packed.png":
                self._say(200, {"content-type": "image/png", "content-encoding": "gzip"}, PNG)
            case "/declared.png":
                self._say(200, {"content-type": "image/png", "content-length": "99999999"})
            case "/short.png":
                self._say(200, {"content-type": "image/png", "content-length": "5000"}, PNG)
            case "/endless.png":
                self._endless(media)
            case "/slow.png":
                self._slow(media)
            case "/silent.png":
                media.closing.wait()
            case "/headers.png":
                self._endless_headers(media)
            case _:
                self._say(404, {"content-type": "text/plain"}, b"nothing")

    def _say(self, status: int, headers: dict[str, str], body: bytes = b"") -> None:
        self.send_response(status)
        for name, text in {"content-length": str(len(body)), **headers}.items():
            self.send_header(name, text)
        self.end_headers()
        self.wfile.write(body)

    def _endless(self, media: MediaServer) -> None:
        self.send_response(200)
        self.send_header("content-type", "image/png")
        self.end_headers()
        while not media.closing.is_set():
            self.wfile.write(bytes(65_536))

    def _slow(self, media: MediaServer) -> None:
        self.send_response(200)
        self.send_header("content-type", "image/png")
        self.end_headers()
        while not media.closing.wait(0.05):
            self.wfile.write(b"\0")

    def _endless_headers(self, media: MediaServer) -> None:
        self.wfile.write(b"HTTP/1.1 200 OK\r\n")
        while not media.closing.is_set():
            self.wfile.write(b"x-more: " + b"y" * 1000 + b"\r\n")

    def log_message(self, format: str, *args: Any) -> None:
        pass
