"""All files of an order: a few threads take pieces of them, and say now and then how far it is."""

import threading
import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor

from mlx_gui.core.errors import (
    FetchFailed,
    GatedModel,
    MlxGuiError,
    ModelNotOnHub,
)
from mlx_gui.core.fetching import FetchOrder, FetchState
from mlx_gui.fetch.asking import Asker, Expired
from mlx_gui.fetch.digests import Interrupted
from mlx_gui.fetch.locks import FileLock
from mlx_gui.fetch.one_file import OneFile, Piece
from mlx_gui.fetch.pace import Limit, Patience
from mlx_gui.fetch.part import disk
from mlx_gui.fetch.xet.store import Store
from mlx_gui.fetch.xet.streams import XetStreams

_LOOK_S = 0.5
_KEEP_S = 1.0
_MOST_EXPIRED = 3
_MOST_DOUBTS = 3
_DOUBT_S = 1.0
_OTHERS = "Another program fetches files of this repo; it is waited for."


class Fetch:
    """Fetches what `order` names. `limit` may be set while it runs, `stop` ends it.

    `tell` is called on the thread that runs it.
    """

    def __init__(
        self, order: FetchOrder, tell: Callable[[FetchState], None], stop: threading.Event
    ) -> None:
        self._order = order
        self._tell = tell
        self._stop = stop
        self._ended = threading.Event()
        self._wake = threading.Condition()
        self._fault: BaseException | None = None
        self._counting = threading.Lock()
        self._doubts = 0
        self._came_bytes = 0
        self._best_bytes = 0
        self._patience = Patience(order.patience_s)
        self._asker = Asker(
            order.endpoint,
            token=order.token,
            agent=order.agent,
            silence_s=order.stall_s,
            connections=order.connections,
        )
        self.limit = Limit(order.bytes_per_s, self._ended)
        store = Store(self._asker, order.xet_access_url)
        self._xet = XetStreams(
            store, self.limit, self._ended, streams=order.connections, stall_s=order.stall_s
        )
        self._files = [
            OneFile(each, self._asker, self._xet, self.limit, self._ended, stall_s=order.stall_s)
            for each in order.files
        ]

    def run(self) -> bool:
        """Whether every file is there; False when it was stopped. Raises why it cannot be."""
        lock = FileLock(self._order.lock)
        threads = ThreadPoolExecutor(self._order.connections, "fetch")
        try:
            if not self._take(lock):
                return False
            for _ in range(self._order.connections):
                threads.submit(self._work).add_done_callback(self._note_end)
            self._attend()
        finally:
            self._ended.set()
            self._hurry()
            self._xet.stop()
            threads.shutdown()
            self._keep_what_is_there()
            for each in self._files:
                each.close()
            self._xet.close()
            self._asker.close()
            lock.release()
        if self._fault is not None and not all(each.done for each in self._files):
            raise self._fault
        return all(each.done for each in self._files)

    def _take(self, lock: FileLock) -> bool:
        with disk(self._order.lock):
            while not lock.take():
                self._report(waits=True, note=_OTHERS)
                if self._stop.wait(_LOOK_S):
                    return False
        return True

    def _attend(self) -> None:
        """Until all is there, something is wrong, or it is to stop."""
        kept_s = time.monotonic()
        self._report()
        while not self._over():
            with self._wake:
                self._wake.wait(_LOOK_S)
            if time.monotonic() - kept_s >= _KEEP_S:
                for each in self._files:
                    each.keep()
                kept_s = time.monotonic()
                self._report()

    def _over(self) -> bool:
        return (
            self._stop.is_set() or self._fault is not None or all(each.done for each in self._files)
        )

    def _keep_what_is_there(self) -> None:
        try:
            for each in self._files:
                each.keep()
        except MlxGuiError as error:
            self._fault = self._fault or error
        self._report()

    def _report(self, *, waits: bool = False, note: str = "") -> None:
        done_bytes = sum(each.kept_bytes() for each in self._files)
        # What is fetched again after it came damaged is not counted down.
        self._best_bytes = max(self._best_bytes, done_bytes)
        open_files = [each for each in self._files if not each.done]
        verifying = bool(open_files) and all(each.verifying for each in open_files)
        begun = next((each for each in open_files if each.begun), None)
        current = begun or next(iter(open_files), None)
        self._tell(
            FetchState(
                stage="wait" if waits else "verify" if verifying else "download",
                done_bytes=self._best_bytes,
                came_bytes=self._came_bytes,
                files_done=len(self._files) - len(open_files),
                current="" if current is None else current.file.name,
                note=note or self._patience.note,
            )
        )

    def _work(self) -> None:
        """One thread: one piece after the other."""
        expired = 0
        while not self._ended.is_set():
            taken = self._next()
            if taken is None:
                return
            each, piece = taken
            try:
                each.fetch(piece, self._came)
                expired = 0
                if each.done:
                    self._patience.progress()
                    self._hurry()
            except Interrupted:
                return
            except Expired as gone:
                expired += 1
                cause = gone.__cause__
                if expired > _MOST_EXPIRED and isinstance(cause, MlxGuiError):
                    self._rest(cause)
            except MlxGuiError as error:
                self._rest(error)

    def _note_end(self, work: "Future[None]") -> None:
        """What ends a thread ends the child."""
        if (fault := work.exception()) is not None:
            self._fail(fault)

    def _next(self) -> tuple[OneFile, Piece] | None:
        """The next piece of the first file that has one; waits while others have them all."""
        while not self._ended.is_set():
            try:
                for each in self._files:
                    piece = each.claim(self._order.connections)
                    if piece is not None:
                        return each, piece
            except MlxGuiError as error:
                self._fail(error)
                return None
            if all(each.done for each in self._files):
                self._hurry()
                return None
            with self._wake:
                self._wake.wait(_LOOK_S)
        return None

    def _rest(self, error: MlxGuiError) -> None:
        """Wait before the next try, or have it all end by `error`."""
        if isinstance(error, GatedModel | ModelNotOnHub) and self._doubts:
            # It gave some of the files before, so that this may pass.
            self._doubts -= 1
            self._ended.wait(_DOUBT_S)
            return
        if not isinstance(error, FetchFailed) or not error.retryable:
            self._fail(error)
            return
        try:
            rest_s = self._patience.rest_s(error)
        except MlxGuiError as last:
            self._fail(last)
            return
        self._ended.wait(rest_s)

    def _fail(self, fault: BaseException) -> None:
        self._fault = self._fault or fault
        self._ended.set()
        self._hurry()

    def _came(self, count: int) -> None:
        with self._counting:
            if not self._came_bytes:
                self._doubts = _MOST_DOUBTS
            self._came_bytes += count
        self._patience.came(count)

    def _hurry(self) -> None:
        with self._wake:
            self._wake.notify_all()
