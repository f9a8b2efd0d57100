"""One file on its way: its pieces, who fetches them, and whether it is what it should be."""

import threading
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from mlx_gui.core.errors import FetchFailed, HubAnswer
from mlx_gui.core.fetching import FetchFile
from mlx_gui.fetch.asking import Answer, Asker, Misfit
from mlx_gui.fetch.digests import Interrupted, digest_of
from mlx_gui.fetch.locks import FileLock
from mlx_gui.fetch.pace import Limit, Pulse
from mlx_gui.fetch.part import (
    PartFile,
    Replaced,
    disk,
    is_verified,
    kept_bytes,
    note_verified,
)
from mlx_gui.fetch.spans import Spans
from mlx_gui.fetch.xet.streams import XetStreams

_LEAST_PIECE_BYTES = 4 * 1024 * 1024
_MOST_PIECE_BYTES = 64 * 1024 * 1024
_MOST_STRIKES = 6
_MOST_UNHEEDED = 3
"""Ranges that are not heeded, until none is asked for any more: of a large file that is dear."""
_MOST_DAMAGED = 4
_MOST_VERSIONS = 3

Piece = tuple[int, int]


class OneFile:
    """Called by several threads. What they share is behind one lock.

    A server that heeds no ranges is asked for the whole, by one thread.
    """

    def __init__(
        self,
        file: FetchFile,
        asker: Asker,
        xet: XetStreams,
        limit: Limit,
        stop: threading.Event,
        *,
        stall_s: float,
    ) -> None:
        self.file = file
        self._xet = None if file.xet_hash is None else xet
        self._asker, self._limit, self._stop, self._stall_s = asker, limit, stop, stall_s
        self._lock = threading.Lock()
        self._file_lock = FileLock(file.lock)
        self._part: PartFile | None = None
        self._claimed: set[Piece] = set()
        self._whole = False
        self._verifying = False
        self._locked = False
        self._strikes = 0
        self._unheeded = 0
        self._conditional = True
        self._versions = 0
        self._damaged = 0
        self._earlier_bytes = kept_bytes(file)
        self.done = is_verified(file)
        self._found = _is_there(file)
        """It is there, but nobody knows whether it is whole: others may have brought it."""

    @property
    def begun(self) -> bool:
        return self._part is not None

    @property
    def verifying(self) -> bool:
        return self._verifying

    def kept_bytes(self) -> int:
        """What of it is on the disk, in this run or an earlier one."""
        part = self._part
        if self.done or self._found:
            return self.file.size_bytes
        return self._earlier_bytes if part is None else part.kept_bytes

    def keep(self) -> None:
        """Have the journal say what has come. Raises DiskFull, Conflict."""
        part = self._part
        if part is not None:
            part.keep()

    def claim(self, connections: int) -> Piece | None:
        """A piece that nobody fetches yet. None when there is none, or others have the file."""
        with self._lock:
            if self.done or self._verifying or not self._take():
                return None
            size_bytes = self.file.size_bytes
            if self._part is None or self._part.complete:
                # An earlier run has brought all of it, and did not come to verify it.
                return self._taken(None if self._claimed else (size_bytes, size_bytes))
            if self._whole:
                return self._taken(None if self._claimed else (0, size_bytes))
            if self._xet is None:
                most_bytes = _piece_bytes(size_bytes, connections)
            else:
                most_bytes = self._xet.piece_bytes
            for gap in self._part.gaps():
                for start, end in _beside(gap, self._claimed):
                    return self._taken((start, min(end, start + most_bytes)))
            return None

    def fetch(self, piece: Piece, came: Callable[[int], None]) -> None:
        """Bring what the piece lacks, and verify the file if it was the last.

        Raises what `Asker.open` raises but Misfit, FetchFailed when it is to be tried again,
        HubAnswer when the hub makes no sense for too long, Interrupted.
        """
        try:
            if piece[0] < piece[1]:
                self._bring(piece, came)
        finally:
            with self._lock:
                self._claimed.discard(piece)
                whole = self._found or (self._part is not None and self._part.complete)
                last = not self._claimed and whole
                self._verifying = self._verifying or last
        if last:
            self._verify()

    def close(self) -> None:
        with self._lock:
            if self._part is not None:
                self._part.close()
                self._part = None
            self._file_lock.release()

    def _take(self) -> bool:
        """Whether the file is ours to fetch, or to look at."""
        if self._part is not None or (self._found and self._locked):
            return True
        with disk(self.file.lock):
            if not self._file_lock.take():
                return False
        self._locked = True
        # Who had the lock before may have brought it.
        self._found = not self._damaged and _is_there(self.file)
        if not self._found:
            self._part = PartFile(self.file)
        return True

    def _taken(self, piece: Piece | None) -> Piece | None:
        if piece is not None:
            self._claimed.add(piece)
        return piece

    def _bring(self, piece: Piece, came: Callable[[int], None]) -> None:
        part = self._part
        assert part is not None
        if self._xet is not None:
            self._bring_by_xet(self._xet, part, piece, came)
            return
        generation, validator = part.generation, part.validator
        trusted = validator if self._conditional and self._versions < _MOST_VERSIONS else None
        whole = self._whole and piece == (0, self.file.size_bytes)
        span = None if whole else piece
        try:
            with self._asker.open(self.file.url, span=span, validator=trusted) as answer:
                asked = _Asked(whole, trusted is not None, generation)
                if self._fits(part, answer, asked):
                    self._receive(part, answer, piece, generation=generation, came=came)
        except Misfit as misfit:
            self._strike(misfit.error)
        except Replaced:
            return

    def _bring_by_xet(
        self, xet: XetStreams, part: PartFile, piece: Piece, came: Callable[[int], None]
    ) -> None:
        """The limit and dead lines are seen to where the bytes come in, which is not here."""
        generation, at = part.generation, piece[0]
        try:
            with closing(xet.read(self.file, piece)) as chunks:
                for data in chunks:
                    if self._stop.is_set():
                        raise Interrupted
                    part.write(data, at, generation=generation)
                    at += len(data)
                    came(len(data))
        except Misfit as misfit:
            self._strike(misfit.error)
        except Replaced:
            return

    def _fits(self, part: PartFile, answer: Answer, asked: "_Asked") -> bool:
        """Whether these are bytes of the file as it is wanted; else it is asked another way."""
        with self._lock:
            if asked.generation != part.generation:
                return False
            if answer.total_bytes not in (None, self.file.size_bytes):
                raise _misfit(
                    f"{answer.response.url.host} says that {self.file.name} has "
                    f"{answer.total_bytes} bytes; the hub's list of files says "
                    f"{self.file.size_bytes}."
                )
            changed = answer.etag != part.validator and self._versions < _MOST_VERSIONS
            if changed and part.validator is not None and answer.etag is not None:
                self._versions += 1
                part.reset(answer.etag)
                return False
            part.validator = part.validator or answer.etag
            if asked.whole or not answer.whole:
                self._unheeded = 0
                return True
            # Some servers heed a range, but not one with a condition; several may be on their way.
            self._conditional = False
            self._unheeded += not asked.conditional
            self._whole = self._whole or self._unheeded >= _MOST_UNHEEDED
            # Where nobody else brings any of it, this answer will do.
            return self._claimed == {(0, self.file.size_bytes)}

    def _receive(
        self,
        part: PartFile,
        answer: Answer,
        piece: Piece,
        *,
        generation: int,
        came: Callable[[int], None],
    ) -> None:
        at, end = answer.start, self.file.size_bytes if answer.whole else piece[1]
        pulse = Pulse(self._stall_s)
        for chunk in self._chunks(answer):
            if self._stop.is_set():
                raise Interrupted
            data = chunk[: end - at]
            if len(data) < len(chunk):
                raise _misfit(
                    f"{answer.response.url.host} gives more of {self.file.name} than the "
                    f"{end - answer.start} bytes that were asked for."
                )
            part.write(data, at, generation=generation)
            at += len(data)
            came(len(data))
            pulse.beat(len(data), rested_s=self._limit.take(len(chunk)))
        if at < end and (answer.whole or at == answer.start):
            # Less of a range than was asked for is allowed; the rest is asked for next.
            raise _misfit(
                f"{answer.response.url.host} gave {at - answer.start} bytes of {self.file.name} "
                f"instead of {end - answer.start}."
            )

    def _chunks(self, answer: Answer) -> Iterator[bytes]:
        """What comes. A line that breaks where no ranges are heeded has brought nothing."""
        try:
            yield from answer.chunks()
        except FetchFailed as error:
            if answer.whole:
                raise _misfit(error.message) from error
            raise

    def _strike(self, error: HubAnswer) -> None:
        """What makes no sense is asked for anew, in the end as a whole, and not for ever."""
        with self._lock:
            self._strikes += 1
            if self._xet is None:
                self._whole = self._whole or self._strikes > _MOST_STRIKES // 2
            self._asker.forget(self.file.url)
        if self._strikes >= _MOST_STRIKES:
            raise HubAnswer(error.message, hint=error.hint) from error
        raise FetchFailed(error.message, hint=error.hint) from error

    def _verify(self) -> None:
        part = self._part
        place = self.file.target if part is None else self.file.part
        with disk(place):
            digest = digest_of(self.file, Path(place), stopped=self._stop.is_set)
        if digest == self.file.digest:
            if part is None:
                note_verified(self.file)
            else:
                part.finish()
            with self._lock:
                self.done, self._verifying = True, False
            self.close()
            return
        with self._lock:
            self._damaged += 1
            self._found = False
            if part is not None:
                part.reset(None)
            self._asker.forget(self.file.url)
            self._verifying = False
            if self._damaged >= _MOST_DAMAGED:
                raise HubAnswer(
                    f"{self.file.name} came {self._damaged} times with another digest than the "
                    f"hub's list of files names: {digest} instead of {self.file.digest}.",
                    hint="Try again later; something between here and the hub may change files.",
                )


@dataclass(frozen=True, slots=True)
class _Asked:
    """How a piece was asked for: without a range, with a condition, of which generation."""

    whole: bool
    conditional: bool
    generation: int


def _misfit(message: str) -> Misfit:
    hint = "Try again later; something between here and the hub may change files."
    return Misfit(HubAnswer(message, hint=hint))


def _is_there(file: FetchFile) -> bool:
    try:
        return Path(file.target).stat().st_size == file.size_bytes
    except OSError:
        return False


def _piece_bytes(size_bytes: int, connections: int) -> int:
    share = -(-size_bytes // max(1, connections))
    return min(max(share, _LEAST_PIECE_BYTES), _MOST_PIECE_BYTES)


def _beside(gap: Piece, claimed: set[Piece]) -> list[Piece]:
    """What of a gap nobody fetches yet."""
    start, end = gap
    taken = ((max(a, start) - start, min(b, end) - start) for a, b in claimed)
    left = Spans((a, b) for a, b in taken if a < b).gaps(end - start)
    return [(start + a, start + b) for a, b in left]
