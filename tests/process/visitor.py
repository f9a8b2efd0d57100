"""What the process tests do with a server: ask, look, and read streams by hand."""

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Self

import httpx
import psutil

from tests.support.offspring import NURSERY
from tests.support.server import Server, running_server


def script(**fields: Any) -> str:
    """A user message that scripts the fake engine; see `engines.fake.text`."""
    return json.dumps({"fake": fields})


ENDLESS = script(text="word", repeat=100_000, delay_ms=2)


def chat(model: str, text: str, **more: Any) -> dict[str, Any]:
    """The body of a chat request."""
    return {"model": model, "messages": [{"role": "user", "content": text}], **more}


class Visitor:
    """A client of one server that also sees its processes."""

    def __init__(self, server: Server, client: httpx.Client) -> None:
        self.server = server
        self.client = client

    def ask(self, model: str, text: str, **more: Any) -> httpx.Response:
        return self.client.post("/v1/chat/completions", json=chat(model, text, **more))

    def stream(self, model: str, text: str, **more: Any) -> "Stream":
        return Stream(self.server.address, chat(model, text, stream=True, **more))

    def status(self) -> dict[str, Any]:
        return self.client.get("/v1/manager/status").raise_for_status().json()

    def row(self, model: str) -> dict[str, Any]:
        """The model's row in the manager's status, while it has a worker or is waited for."""
        status = self.status()
        rows = (*status["loaded_models"], *status["waiting"])
        return next(row for row in rows if row["id"] == model)

    def worker(self, model: str) -> psutil.Process:
        return psutil.Process(self.row(model)["pid"])

    def workers(self) -> list[psutil.Process]:
        children = psutil.Process(self.server.process.pid).children(recursive=True)
        return [each for each in children if each.name() != NURSERY]


@contextmanager
def visited_server(
    folder: Path,
    *,
    engine: str = "fake",
    settings: Mapping[str, object] | None = None,
    program: Sequence[str] | None = None,
) -> Iterator[Visitor]:
    """A ready server and a client of it."""
    with (
        running_server(folder, engine=engine, settings=settings, program=program) as server,
        server.client() as client,
    ):
        yield Visitor(server, client)


class Stream:
    """A streamed chat, read piece by piece; leaving the block hangs up."""

    def __init__(self, address: str, body: dict[str, Any]) -> None:
        self._request = httpx.stream(
            "POST", f"{address}/v1/chat/completions", json=body, timeout=60, trust_env=False
        )
        self.response = self._request.__enter__()
        self._lines = self.response.iter_lines()
        self._open = True

    def text(self) -> str:
        """The next piece of text."""
        for event in self._events():
            if event.get("choices") and (piece := event["choices"][0]["delta"].get("content")):
                return piece
        raise AssertionError("the stream ended")

    def rest(self) -> list[Any]:
        """All events up to the end."""
        return list(self._events())

    def hang_up(self) -> None:
        if self._open:
            self._open = False
            self._request.__exit__(None, None, None)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.hang_up()

    def _events(self) -> Iterator[Any]:
        for line in self._lines:
            if line.startswith("data: {"):
                yield json.loads(line.removeprefix("data: "))
