"""What hf_xet takes for a store: a socket of ours, behind which we ask the real one.

So nothing reaches the network but by our own connections: addresses are checked, the token stays
with the hub, proxies and certificates are the usual ones, the limit of the bandwidth is kept, and
what goes wrong has its own reason. hf_xet knows how a file is put together and unpacked.
"""

import re
import threading
from collections.abc import Generator
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler
from itertools import count
from pathlib import Path
from socket import SHUT_RDWR, socket
from socketserver import ThreadingMixIn, UnixStreamServer
from typing import Any

from mlx_gui.core.errors import FetchFailed, HubAnswer, MlxGuiError
from mlx_gui.fetch.asking import Expired, Misfit
from mlx_gui.fetch.digests import Interrupted
from mlx_gui.fetch.pace import Limit, Pulse
from mlx_gui.fetch.xet.chunks import Chunks
from mlx_gui.fetch.xet.plan import Offer, Plan
from mlx_gui.fetch.xet.store import Store

ENDPOINT = "http://xet"
_POLL_S = 0.05
_QUESTION = re.compile(r"/v1/reconstructions/([0-9a-f]{64})")
_RANGE = re.compile(r"bytes=(\d+)-(\d+)")
_PART = re.compile(r"/(\d+)/(\d+)")


class Errand:
    """Some bytes of a file that are asked for, and why they do not come."""

    def __init__(self, number: int, file_hash: str, span: tuple[int, int]) -> None:
        self.number = number
        self.file_hash = file_hash
        self.span = span
        self.plan: Plan | None = None
        self.chunks = Chunks()
        self.failure: MlxGuiError | Misfit | Expired | None = None


class Gateway:
    """Serves at a socket in `folder`, from `start` to `stop`. Safe to use from several threads."""

    def __init__(
        self, folder: Path, store: Store, limit: Limit, stop: threading.Event, *, stall_s: float
    ) -> None:
        self.socket = folder / "socket"
        self.store, self.limit, self.stopped, self.stall_s = store, limit, stop, stall_s
        self._errands: dict[int, Errand] = {}
        self._numbers = count()
        self._server = _Server(str(self.socket), _Handler)
        self._server.gateway = self
        self._thread = threading.Thread(
            target=self._server.serve_forever, args=(_POLL_S,), name="xet", daemon=True
        )

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        """Whoever still reads hears that the connection is gone."""
        self._server.shutdown()
        self._thread.join()
        self._server.hang_up()
        self._server.server_close()

    @contextmanager
    def errand(self, file_hash: str, span: tuple[int, int]) -> Generator[Errand]:
        """While it lasts, these bytes may be asked for."""
        made = Errand(next(self._numbers), file_hash, span)
        self._errands[made.number] = made
        try:
            yield made
        finally:
            del self._errands[made.number]

    def errand_of(self, file_hash: str, span: tuple[int, int]) -> Errand | None:
        """No two at a time are of the same bytes."""
        for each in list(self._errands.values()):
            if (each.file_hash, each.span) == (file_hash, span):
                return each
        return None

    def offer_of(self, number: int, place: int) -> tuple[Errand, Offer] | None:
        """What an errand's plan has at `place`."""
        errand = self._errands.get(number)
        if errand is None or errand.plan is None or place >= len(errand.plan.offers):
            return None
        return errand, errand.plan.offers[place][1]


class _Handler(BaseHTTPRequestHandler):
    """One connection of hf_xet. What goes wrong is noted, and the answer is that it did."""

    protocol_version = "HTTP/1.1"
    server: Any

    def setup(self) -> None:
        super().setup()
        self._begun = False

    @property
    def gateway(self) -> Gateway:
        return self.server.gateway

    def address_string(self) -> str:
        return "hf_xet"

    def log_message(self, format: str, *args: object) -> None:
        """Nobody reads it."""

    def do_GET(self) -> None:
        path, gateway = self.path, self.gateway
        self._begun = False
        errand = offer = None
        if question := _QUESTION.fullmatch(path):
            asked = _RANGE.fullmatch(self.headers.get("range", ""))
            if asked is not None:
                errand = gateway.errand_of(question[1], (int(asked[1]), int(asked[2]) + 1))
        elif (part := _PART.fullmatch(path)) and (
            found := gateway.offer_of(int(part[1]), int(part[2]))
        ):
            errand, offer = found
        if errand is None:
            self._refuse()
            return
        try:
            self._plan(errand) if offer is None else self._give(errand, offer)
        except (MlxGuiError, Misfit, Expired) as failure:
            errand.failure = errand.failure or failure
            self._refuse()
        except Interrupted:
            self._refuse()
        except OSError:
            # hf_xet has hung up, and says itself why.
            self.close_connection = True

    def _plan(self, errand: Errand) -> None:
        plan = self.gateway.store.plan(errand.file_hash, errand.span)
        errand.plan, errand.chunks.most_bytes = plan, plan.most_bytes
        body = plan.encoded(lambda place: f"{ENDPOINT}/{errand.number}/{place}")
        self._head(200, len(body))
        self.wfile.write(body)

    def _give(self, errand: Errand, offer: Offer) -> None:
        gateway = self.gateway
        left = offer.url_range.end - offer.url_range.start + 1
        with gateway.store.open(offer) as answer:
            host = answer.response.url.host
            pulse = Pulse(gateway.stall_s)
            unpacking = errand.chunks.of_one_part()
            self._head(206, left)
            for data in answer.chunks():
                if gateway.stopped.is_set():
                    raise Interrupted
                left -= len(data)
                if left < 0:
                    raise Misfit(HubAnswer(f"{host} gives more of a file than was asked for."))
                unpacking.see(data)
                self.wfile.write(data)
                pulse.beat(len(data), rested_s=gateway.limit.take(len(data)))
            if left:
                raise FetchFailed(
                    f"{host} ended {left} bytes early.",
                    hint="Try again; what has come so far is kept.",
                )

    def _head(self, status: int, length: int) -> None:
        self._begun = True
        self.send_response(status)
        self.send_header("Content-Length", str(length))
        self.end_headers()

    def _refuse(self) -> None:
        """By a status that hf_xet does not try again; an answer that has begun is cut off."""
        if self._begun:
            self.close_connection = True
            return
        with suppress(OSError):
            self._head(400, 0)


class _Server(ThreadingMixIn, UnixStreamServer):
    """Its connections can be ended from outside."""

    daemon_threads = True
    block_on_close = False
    request_queue_size = 64
    gateway: Gateway

    def __init__(self, path: str, handler: Any) -> None:
        self._open: set[socket] = set()
        super().__init__(path, handler)

    def hang_up(self) -> None:
        for connection in list(self._open):
            # It may have ended by itself.
            with suppress(OSError):
                connection.shutdown(SHUT_RDWR)

    def process_request(self, request: Any, client_address: Any) -> None:
        self._open.add(request)
        super().process_request(request, client_address)

    def shutdown_request(self, request: Any) -> None:
        self._open.discard(request)
        super().shutdown_request(request)
