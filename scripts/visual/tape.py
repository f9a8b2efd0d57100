"""What a server has answered, so that two interfaces are told the same."""

import json
import time
from dataclasses import dataclass

from playwright.sync_api import BrowserContext, Page, Route

from mlx_gui.api.manage.events.topics import TOPICS
from tests.support.server import Server

_TOPICS = ",".join(row.name for row in TOPICS if row.name not in ("requests", "logs"))
_LAST = "event: snapshot"
_OF_THE_WIRE = ("content-encoding", "content-length", "transfer-encoding", "connection")
# The stream of events stays open, as that of a server does of which nothing comes.
_EVENTS = """
(told) => {
  const ask = window.fetch;
  const stream = () => new ReadableStream({
    start: (controller) => controller.enqueue(new TextEncoder().encode(told)),
  });
  window.fetch = (input, init) =>
    String(input).startsWith("/v1/events")
      ? Promise.resolve(new Response(stream()))
      : ask(input, init);
}
"""


@dataclass(frozen=True, slots=True)
class _Answer:
    status: int
    headers: dict[str, str]
    body: bytes


class Tape:
    """The answers of a server by what was asked. What is asked for the first time, it is asked.

    The clock of the pages stands where it began.
    """

    def __init__(self, server: Server) -> None:
        self.address = server.address
        self._began_s = time.time()
        self._events = _first_events(server)
        self._answers: dict[tuple[str, str, str | None], _Answer] = {}

    def play(self, context: BrowserContext) -> Page:
        """A page that is told what is on it."""
        context.add_init_script(script=f"({_EVENTS})({json.dumps(self._events)})")
        context.route("**/v1/**", self._answer)
        page = context.new_page()
        page.clock.set_fixed_time(self._began_s)
        return page

    def _answer(self, route: Route) -> None:
        asked = route.request
        key = (asked.method, asked.url, asked.post_data)
        if key not in self._answers:
            told = route.fetch()
            headers = {
                name: value for name, value in told.headers.items() if name not in _OF_THE_WIRE
            }
            self._answers[key] = _Answer(told.status, headers, told.body())
        answer = self._answers[key]
        route.fulfill(status=answer.status, headers=answer.headers, body=answer.body)


def _first_events(server: Server) -> str:
    """All that the stream of events tells of how things are, before it tells of changes."""
    told: list[str] = []
    with (
        server.client() as client,
        client.stream("GET", "/v1/events", params={"topics": _TOPICS}) as answer,
    ):
        answer.raise_for_status()
        for line in answer.iter_lines():
            told.append(line)
            if line == "" and any(each.startswith(_LAST) for each in told):
                break
    return "\n".join(told) + "\n"
