"""How long everybody else waits while the largest body is read that each API takes.

Another client asks `/health` all the time, over a connection of its own; counted is the longest of
its waits from the first byte of the body to the end of its answer. The model is scripted. The many
are as many short turns as a request may have; the long is one turn that fills the body.
"""

import http.client
import json
import threading
import time
from collections.abc import Callable
from functools import partial
from urllib.parse import urlsplit

from bench.context import Context, environment
from bench.pairs import Sample, interleave
from bench.report import Bound, Row, figure_row
from bench.server import Server, serving
from mlx_gui.api.fields import MAX_MEMBERS

_MODEL = "fake/echo"
_BODY_BYTES = 16 * 1024 * 1024
_ROOM_BYTES = 4096
_CONTEXT_TOKENS = 10_000_000
_JSON = {"content-type": "application/json"}
_LIMIT_MS = 50
_Body = dict[str, object]


def measure(context: Context) -> list[Row]:
    """The longest waits."""
    flags = ("--engine", "fake", "--max-context-tokens", str(_CONTEXT_TOKENS))
    with serving(context.scratch / "bodies", *flags, environment=environment()) as server:
        server.client.load(_MODEL)
        sides: dict[str, Callable[[], Sample]] = {
            f"{path}, {what}": partial(_longest_wait, server, path, body)
            for path, bodies in _bodies().items()
            for what, body in bodies.items()
        }
        found = interleave(sides, rounds=context.rounds)
    return [
        figure_row(what, sample["longest_ms"], "ms", Bound("≤", _LIMIT_MS))
        for what, sample in found.items()
    ]


def _bodies() -> dict[str, dict[str, bytes]]:
    def turns(count: int, size: int) -> list[dict[str, str]]:
        roles = ("user", "assistant")
        return [{"role": roles[n % 2], "content": "word " * size} for n in range(count)]

    many, long = turns(MAX_MEMBERS - 1, 1), turns(1, (_BODY_BYTES - _ROOM_BYTES) // 5)
    forms: dict[str, Callable[[list[dict[str, str]]], _Body]] = {
        "/v1/chat/completions": lambda said: {"messages": said, "max_tokens": 1},
        "/v1/responses": lambda said: {"input": said, "max_output_tokens": 1, "store": False},
        "/v1/messages": lambda said: {"messages": said, "max_tokens": 1},
        "/api/chat": lambda said: {"messages": said, "options": {"num_predict": 1}},
    }
    return {
        path: {
            "many turns": _encoded(form(many)),
            "a long one": _encoded(form(long)),
        }
        for path, form in forms.items()
    }


def _encoded(body: _Body) -> bytes:
    return json.dumps({"model": _MODEL, "stream": False, **body}).encode()


def _longest_wait(server: Server, path: str, body: bytes) -> Sample:
    netloc = urlsplit(server.client.address).netloc
    ended, waits_ms = threading.Event(), [0.0]
    started = threading.Event()

    def watch() -> None:
        connection = http.client.HTTPConnection(netloc)
        while not ended.is_set():
            asked_s = time.perf_counter()
            connection.request("GET", "/health")
            connection.getresponse().read()
            waits_ms.append((time.perf_counter() - asked_s) * 1000)
            started.set()
        connection.close()

    watching = threading.Thread(target=watch)
    watching.start()
    try:
        started.wait()
        waits_ms.clear()
        _post(netloc, path, body)
    finally:
        ended.set()
        watching.join()
    return {"longest_ms": max(waits_ms)}


def _post(netloc: str, path: str, body: bytes) -> None:
    """Raises RuntimeError where the body was not read: that measures nothing.

    That the model's context is too short for it is known behind all that is measured.
    """
    connection = http.client.HTTPConnection(netloc)
    connection.request("POST", path, body, _JSON)
    answer = connection.getresponse()
    text = answer.read()
    connection.close()
    if answer.status != 200 and b"context" not in text:
        raise RuntimeError(f"{path} answered {answer.status}: {text[:200]!r}")
