"""Large bodies: how much may be in them, and how they are read while everybody else is served.

What reads one call of C at a time keeps the interpreter to itself until that call returns, in a
thread as well. So a large body is read in steps, and what it may hold is bounded.
"""

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from typing import Any, TypeVar

import msgspec
from fastapi import Request
from starlette.types import Scope

from mlx_gui.core.errors import InvalidRequest

T = TypeVar("T")

LARGE_BYTES = 256 * 1024
MAX_CONTAINERS = 16_384
MAX_KEYS = 65_536
MAX_VALUES = 262_144
"""Of JSON in one body: objects and lists, keys in objects, members of either."""
_FEW = 1024
"""Objects and lists that are read at once."""
_STEP_BYTES = 64 * 1024
_STATE_KEY = "large_body"


class Aside:
    """A thread for what takes long with one request. There is one, so that it leaves room for the
    event loop, which waits for a turn beside each thread that computes."""

    def __init__(self) -> None:
        self._pool = ThreadPoolExecutor(max_workers=1, thread_name_prefix="bodies")

    async def run(self, work: Callable[[], T]) -> T:
        """What `work` returns or raises."""
        context = copy_context()
        return await asyncio.get_running_loop().run_in_executor(self._pool, context.run, work)


def is_large(body: bytes) -> bool:
    """Whether `body` may take too long to read on the event loop."""
    return len(body) > LARGE_BYTES or _containers(body) > _FEW


def note_large(scope: Scope) -> None:
    """Keep that the body of this request is large, for `translated`."""
    scope["state"][_STATE_KEY] = True


async def translated(request: Request, work: Callable[[], T], *, also: int = 0) -> T:
    """What `work` makes of the request's whole body; aside if that is large.

    `also` are the objects that it looks at besides, out of the store.
    """
    if _STATE_KEY not in request.scope["state"] and also <= _FEW:
        return work()
    return await aside_of(request).run(work)


def aside_of(request: Request) -> Aside:
    """The server's one."""
    return request.app.state.aside


def check_shape(body: bytes) -> None:
    """Raises InvalidRequest where `body` is JSON of more than this server reads.

    Counted is what stands outside of strings. What is no JSON is counted until it is none.
    """
    inside, rest = False, b""
    containers = keys = values = 0
    for start in range(0, len(body), _STEP_BYTES):
        piece = rest + body[start : start + _STEP_BYTES]
        # An escape that the step cuts is looked at in the next one.
        rest = b"\\" if (len(piece) - len(piece.rstrip(b"\\"))) % 2 else b""
        piece = piece[: len(piece) - len(rest)]
        pieces = piece.replace(b"\\\\", b"").replace(b'\\"', b"").split(b'"')
        outside = b"".join(pieces[1 if inside else 0 :: 2])
        inside ^= len(pieces) % 2 == 0
        containers += _containers(outside)
        keys += outside.count(b":")
        values += outside.count(b",")
        _check_count(containers, MAX_CONTAINERS, "objects and lists")
        _check_count(keys, MAX_KEYS, "keys")
        _check_count(values, MAX_VALUES, "values")


def decode(body: bytes | msgspec.Raw) -> Any:
    """The value of JSON whose shape is checked, in steps that are short. Raises as msgspec does."""
    text = bytes(body)
    if len(text) <= _STEP_BYTES or _containers(text) <= _FEW:
        return msgspec.json.decode(text)
    match text.lstrip()[:1]:
        case b"{":
            members = msgspec.json.decode(text, type=dict[str, msgspec.Raw])
            return {key: decode(member) for key, member in members.items()}
        case b"[":
            return [decode(each) for each in msgspec.json.decode(text, type=list[msgspec.Raw])]
        case _:
            return msgspec.json.decode(text)


def _containers(text: bytes) -> int:
    return text.count(b"[") + text.count(b"{")


def _check_count(count: int, most: int, what: str) -> None:
    if count > most:
        raise InvalidRequest(
            f"The JSON of the body has more than {most} {what}.",
            hint="Send less JSON in one request.",
        )
