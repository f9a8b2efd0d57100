"""Bytes of files by Xet: hf_xet puts them together, in this process and with bounded memory."""

import os
import threading
import time
from collections.abc import Generator, Iterator
from contextlib import contextmanager, suppress
from typing import Any

from mlx_gui.core.errors import Conflict, HubAnswer
from mlx_gui.core.fetching import FetchFile
from mlx_gui.fetch.asking import Misfit
from mlx_gui.fetch.digests import Interrupted
from mlx_gui.fetch.pace import Limit
from mlx_gui.fetch.xet.folder import PrivateFolder
from mlx_gui.fetch.xet.gateway import ENDPOINT, Gateway
from mlx_gui.fetch.xet.store import Store

_MOST_STREAMS = 4
_LEAST_PIECE_BYTES = 1024 * 1024
_FIRST_PIECE_BYTES = 4 * 1024 * 1024
_MOST_PIECE_BYTES = 32 * 1024 * 1024
_BRISK_S = 1.0
_SLOW_S = 4.0
_LOOK_S = 0.5
_BUFFERS = {
    "reconstruction.download_buffer_size": "128mb",
    "reconstruction.download_buffer_perfile_size": "16mb",
    "reconstruction.download_buffer_limit": "192mb",
    "client.ac_initial_download_concurrency": _MOST_STREAMS,
    "client.ac_max_download_concurrency": _MOST_STREAMS,
}
_ALONE = {
    # What it asks for goes to our socket, in the one form that is answered there, and once: whether
    # it is worth another try is decided here.
    "client.reconstruction_api_version": 1,
    "client.retry_max_attempts": 0,
    "telemetry.enabled": False,
}


class XetStreams:
    """Safe to use from several threads; a few of them get bytes at a time, the others wait.

    `stop` is set before it is closed. Nothing of hf_xet is imported before the first bytes are
    asked for.
    """

    def __init__(
        self, store: Store, limit: Limit, stop: threading.Event, *, streams: int, stall_s: float
    ) -> None:
        self._store, self._limit, self._stop, self._stall_s = store, limit, stop, stall_s
        self._turns = threading.Semaphore(min(streams, _MOST_STREAMS))
        self._lock = threading.Lock()
        self._running: _Running | None = None
        self.piece_bytes = _FIRST_PIECE_BYTES
        """What to ask for at once: as much as comes within a few seconds."""

    def read(self, file: FetchFile, span: tuple[int, int]) -> Generator[bytes]:
        """The bytes of `span`, all of them, in their order.

        Raises as `Store`, Interrupted, and Conflict where temporary files have no place.
        """
        assert file.xet_hash is not None
        with self._turn():
            running = self._begun()
            began_s = time.monotonic()
            left = span[1] - span[0]
            with (
                running.gateway.errand(file.xet_hash, span) as errand,
                # What it says of a failure is of our socket, and sometimes it says nothing.
                suppress(OSError, RuntimeError, ValueError),
            ):
                for data in running.stream(file.xet_hash, file.size_bytes, span):
                    left -= len(data)
                    if left < 0:
                        break
                    yield data
            if left:
                if self._stop.is_set():
                    raise Interrupted
                raise errand.failure or _unreadable(file.name)
            if span[1] - span[0] >= self.piece_bytes:
                self._adapt(time.monotonic() - began_s)

    def stop(self) -> None:
        """End what is being read; `stop` was set before."""
        with self._lock:
            if self._running is not None:
                self._running.gateway.stop()

    def close(self) -> None:
        """Remove what there is on the disk besides the files."""
        with self._lock:
            if self._running is not None:
                self._running.folder.remove()
                self._running = None

    @contextmanager
    def _turn(self) -> Generator[None]:
        while not self._turns.acquire(timeout=_LOOK_S):
            if self._stop.is_set():
                raise Interrupted
        try:
            yield
        finally:
            self._turns.release()

    def _begun(self) -> "_Running":
        with self._lock:
            if self._stop.is_set():
                raise Interrupted
            if self._running is None:
                self._running = _Running(
                    self._store, self._limit, self._stop, stall_s=self._stall_s
                )
            return self._running

    def _adapt(self, took_s: float) -> None:
        with self._lock:
            if took_s < _BRISK_S:
                self.piece_bytes = min(2 * self.piece_bytes, _MOST_PIECE_BYTES)
            elif took_s > _SLOW_S:
                self.piece_bytes = max(self.piece_bytes // 2, _LEAST_PIECE_BYTES)


class _Running:
    """hf_xet with its folder and its socket. Raises Conflict where there is no place for them."""

    def __init__(
        self, store: Store, limit: Limit, stop: threading.Event, *, stall_s: float
    ) -> None:
        try:
            self.folder = PrivateFolder()
            self.gateway = Gateway(self.folder.path, store, limit, stop, stall_s=stall_s)
        except OSError as error:
            raise Conflict(
                f"There is no place for temporary files: {error.strerror or error}.",
                hint="Look at the folder that TMPDIR names, or at /tmp.",
            ) from error
        self.gateway.start()
        # Its own log and its folders go where all of it is removed. It looks when it is imported.
        os.environ["HF_XET_CACHE"] = str(self.folder.path / "cache")
        import hf_xet

        library: Any = hf_xet
        self._info = library.XetFileInfo
        settings = {"client.unix_socket_path": str(self.gateway.socket), **_BUFFERS, **_ALONE}
        session = library.XetSession(library.XetConfig().with_config(settings))
        self._group = session.new_download_stream_group(endpoint=ENDPOINT)

    def stream(self, file_hash: str, size_bytes: int, span: tuple[int, int]) -> Iterator[bytes]:
        info = self._info(file_hash, size_bytes)
        return iter(self._group.download_stream(info, start=span[0], end=span[1]))


def _unreadable(name: str) -> Misfit:
    return Misfit(
        HubAnswer(
            f"What the hub's Xet store gives of {name} cannot be unpacked.",
            hint="Try again later; something between here and the store may change files.",
        )
    )
