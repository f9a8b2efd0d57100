"""Answers of the hub that are kept: in memory for a while, in a folder for when it is away."""

import hashlib
import os
import time
from collections import OrderedDict
from contextlib import suppress
from pathlib import Path
from threading import Lock, get_ident

import msgspec

_IN_MEMORY = 128
_IN_MEMORY_BYTES = 32 * 1024 * 1024
_ON_DISK = 400
_ON_DISK_BYTES = 128 * 1024 * 1024
_LARGEST_BYTES = 8 * 1024 * 1024
_SUFFIX = ".answer"


class Key(msgspec.Struct, frozen=True):
    """What a question is known by: a digest of it, and one of who asks which hub.

    Of a token nothing but these digests is kept.
    """

    question: str
    scope: str

    @classmethod
    def of(cls, endpoint: str, token: str | None, question: object) -> "Key":
        """`question` is anything that JSON can hold."""
        scope = _digest((endpoint, token))
        return cls(_digest((scope, question)), scope)


class Answer(msgspec.Struct, frozen=True):
    """A body, by what the hub knows the next page, and when it came, as Unix time."""

    body: bytes
    cursor: str | None
    at_s: float

    @property
    def age_s(self) -> float:
        """Never negative, even where a clock was set back."""
        return max(time.time() - self.at_s, 0.0)


class HubAnswers:
    """Keeps the newest answers, so many and so large at most. May be called from any thread.

    A file that cannot be read or written is one that is not there: the hub will say it again.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._lock = Lock()
        self._recent: OrderedDict[str, Answer] = OrderedDict()

    def find(self, key: Key) -> Answer | None:
        """What was answered to `key`."""
        name = _name(key)
        with self._lock:
            if (found := self._recent.get(name)) is not None:
                self._recent.move_to_end(name)
                return found
        found = _read(self._folder / name)
        if found is not None:
            self._remember(name, found)
        return found

    def all(self, asker: Key) -> list[Answer]:
        """All that the folder has for whoever asks as `asker` does, the newest first."""
        with suppress(OSError):
            files = list(self._folder.glob(f"{asker.scope}.*{_SUFFIX}"))
            found = [answer for path in files if (answer := _read(path)) is not None]
            return sorted(found, key=lambda answer: answer.at_s, reverse=True)
        return []

    def keep(self, key: Key, answer: Answer) -> None:
        """In place of what was answered before."""
        if len(answer.body) > _LARGEST_BYTES:
            return
        name = _name(key)
        self._remember(name, answer)
        with suppress(OSError):
            self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            written = self._folder / f".{name}.{os.getpid()}.{get_ident()}"
            written.write_bytes(msgspec.msgpack.encode(answer))
            written.replace(self._folder / name)
            self._make_room()

    def _remember(self, name: str, answer: Answer) -> None:
        with self._lock:
            self._recent[name] = answer
            self._recent.move_to_end(name)
            size_bytes = sum(len(each.body) for each in self._recent.values())
            while len(self._recent) > _IN_MEMORY or size_bytes > _IN_MEMORY_BYTES:
                _, gone = self._recent.popitem(last=False)
                size_bytes -= len(gone.body)

    def _make_room(self) -> None:
        """Remove the oldest files beyond the bounds, and what a crash has left unfinished."""
        with self._lock:
            with os.scandir(self._folder) as entries:
                stats = [(entry, entry.stat()) for entry in entries]
            kept = sorted(
                ((entry, stat) for entry, stat in stats if entry.name.endswith(_SUFFIX)),
                key=lambda each: each[1].st_mtime,
                reverse=True,
            )
            total_bytes = 0
            for place, (entry, stat) in enumerate(kept):
                total_bytes += stat.st_size
                if place >= _ON_DISK or total_bytes > _ON_DISK_BYTES:
                    os.unlink(entry.path)
            for entry, stat in stats:
                if not entry.name.endswith(_SUFFIX) and time.time() - stat.st_mtime > 3600:
                    os.unlink(entry.path)


def _read(path: Path) -> Answer | None:
    try:
        return msgspec.msgpack.decode(path.read_bytes(), type=Answer)
    except (OSError, msgspec.MsgspecError):
        return None


def _name(key: Key) -> str:
    return f"{key.scope}.{key.question}{_SUFFIX}"


def _digest(content: object) -> str:
    return hashlib.sha256(msgspec.json.encode(content)).hexdigest()[:40]
