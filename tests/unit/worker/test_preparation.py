"""What the preparation thread does for whom, with the fake engine and a real channel."""

import queue
import socket
import threading
from collections.abc import Generator
from contextlib import contextmanager
from functools import partial
from typing import Any

from mlx_gui.core.errors import Cancelled, InvalidRequest
from mlx_gui.core.generation import (
    Event,
    Failed,
    GenerateRequest,
    Prepared,
    WorkerRequest,
)
from mlx_gui.core.model import LoadSpec, TextOptions
from mlx_gui.engines.base import PreparedRequest, StillWanted, TakesLong, always_wanted
from mlx_gui.engines.fake.text import FakeEngine
from mlx_gui.ipc.channel import BlockingChannel, FrameReader
from mlx_gui.ipc.messages import Cancel, FromChild, Output, StartRequest
from mlx_gui.worker.preparation import Preparing, prepare_requests

DEADLINE_S = 30
REQUEST = GenerateRequest(prompt="hello")


def _report(stage: str, done: int, total: int) -> None:
    pass


class Watched(FakeEngine):
    """Notes whom it has begun to prepare, and stops there until it may go on."""

    def __init__(self) -> None:
        super().__init__()
        self.begun: queue.SimpleQueue[str] = queue.SimpleQueue()
        self.go_on = threading.Semaphore(0)
        self.load(LoadSpec("fake/echo", "", "text", "", "stored", TextOptions(4096, 2)), _report)

    def prepare(
        self,
        request_id: str,
        request: WorkerRequest,
        still_wanted: StillWanted = always_wanted,
    ) -> PreparedRequest | tuple[Event, ...]:
        self.begun.put(request_id)
        assert self.go_on.acquire(timeout=DEADLINE_S)
        return super().prepare(request_id, request, still_wanted)


class Thread:
    """The preparation thread of `engine`, and what it has told of each request."""

    def __init__(self, engine: FakeEngine, ours: socket.socket, theirs: socket.socket) -> None:
        self.preparing = Preparing()
        self.inbox: queue.SimpleQueue[Any] = queue.SimpleQueue()
        self._to_prepare: queue.SimpleQueue[StartRequest | Cancel] = queue.SimpleQueue()
        self._reader = FrameReader[FromChild](FromChild)  # pyright: ignore[reportArgumentType]
        self._told: list[FromChild] = []
        self._ours = ours
        threading.Thread(
            target=prepare_requests,
            args=(engine, self._to_prepare, self.inbox, BlockingChannel(theirs)),
            kwargs={"preparing": self.preparing, "done_with_one": lambda: None},
            daemon=True,
        ).start()

    def ask(self, request_id: str, **more: str) -> None:
        self._to_prepare.put(StartRequest(request_id, REQUEST, **more))

    def cancel(self, request_id: str) -> None:
        self.preparing.cancel(request_id)
        self._to_prepare.put(Cancel(request_id))

    def told(self) -> tuple[str, Any]:
        """The next request that was told something, and that."""
        while not self._told:
            self._told += self._reader.feed(self._ours.recv(65_536))
        message = self._told.pop(0)
        assert isinstance(message, Output)
        (request,) = message.requests
        return request.request_id, request.events[0]


@contextmanager
def prepared_by(engine: FakeEngine) -> Generator[Thread]:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        ours.settimeout(DEADLINE_S)
        yield Thread(engine, ours, theirs)


def test_what_was_cancelled_before_its_turn_is_not_prepared_and_ends_all_the_same() -> None:
    engine = Watched()
    with prepared_by(engine) as thread:
        for request_id in ("first", "gone", "last"):
            thread.ask(request_id)
        assert engine.begun.get(timeout=DEADLINE_S) == "first"
        thread.cancel("gone")
        engine.go_on.release(2)
        assert isinstance(thread.told()[1], Prepared)
        request_id, event = thread.told()
        assert request_id == "gone"
        assert isinstance(event, Failed)
        assert event.error.code == Cancelled.code
        assert thread.told()[0] == "last"
        assert engine.begun.get(timeout=DEADLINE_S) == "last"
        admitted = [thread.inbox.get(timeout=DEADLINE_S) for _ in range(3)]
        assert [each.request_id for each in admitted] == ["first", "last", "gone"]
        # Its Cancel was the last word of it: another request may have its id.
        thread.preparing.check("gone")


def test_what_is_cancelled_in_the_middle_is_not_prepared_to_the_end() -> None:
    engine = Watched()
    with prepared_by(engine) as thread:
        thread.ask("gone")
        assert engine.begun.get(timeout=DEADLINE_S) == "gone"
        thread.cancel("gone")
        engine.go_on.release()
        request_id, event = thread.told()
        assert (request_id, event.error.code) == ("gone", Cancelled.code)
        assert isinstance(thread.inbox.get(timeout=DEADLINE_S), Cancel)


def test_a_ping_hears_what_is_being_prepared_and_for_how_long() -> None:
    engine = Watched()
    with prepared_by(engine) as thread:
        assert thread.preparing.pong(1, engine.memory()).preparing == ""
        thread.ask("slow")
        assert engine.begun.get(timeout=DEADLINE_S) == "slow"
        pong = thread.preparing.pong(1, engine.memory())
        assert pong.preparing == "slow"
        assert pong.preparing_s >= 0
        engine.go_on.release()
        thread.told()


def test_what_is_admitted_says_whose_it_is() -> None:
    engine = Watched()
    engine.go_on.release()
    with prepared_by(engine) as thread:
        thread.ask("one", tenant="ann")
        admitted = thread.inbox.get(timeout=DEADLINE_S)
        assert (admitted.request_id, admitted.tenant) == ("one", "ann")


class Slow(FakeEngine):
    """One of whose requests need work first: `going_on` lets it end."""

    def __init__(self) -> None:
        super().__init__()
        self.load(LoadSpec("fake/echo", "", "text", "", "stored", TextOptions(4096, 2)), _report)
        self.begun: queue.SimpleQueue[str] = queue.SimpleQueue()
        self.going_on: queue.SimpleQueue[Exception | None] = queue.SimpleQueue()
        self._worked = set[str]()

    def prepare(
        self,
        request_id: str,
        request: WorkerRequest,
        still_wanted: StillWanted = always_wanted,
    ) -> PreparedRequest | tuple[Event, ...]:
        if request_id.startswith("long") and request_id not in self._worked:
            raise TakesLong(partial(self._work, request_id))
        return super().prepare(request_id, request, still_wanted)

    def _work(self, request_id: str, still_wanted: StillWanted) -> None:
        self.begun.put(request_id)
        problem = self.going_on.get(timeout=DEADLINE_S)
        still_wanted()
        if problem is not None:
            raise problem
        self._worked.add(request_id)


def test_what_takes_long_lets_others_pass_and_comes_back() -> None:
    engine = Slow()
    with prepared_by(engine) as thread:
        thread.ask("long")
        assert engine.begun.get(timeout=DEADLINE_S) == "long"
        thread.ask("quick")
        assert thread.told()[0] == "quick"
        engine.going_on.put(None)
        assert thread.told()[0] == "long"
        admitted = [thread.inbox.get(timeout=DEADLINE_S) for _ in range(2)]
        assert [each.request_id for each in admitted] == ["quick", "long"]


def test_what_cannot_be_done_is_answered_and_the_next_one_is_done() -> None:
    engine = Slow()
    with prepared_by(engine) as thread:
        for request_id in ("long", "long, too"):
            thread.ask(request_id)
        engine.going_on.put(InvalidRequest("no", hint="none"))
        request_id, event = thread.told()
        assert (request_id, event.error.code) == ("long", InvalidRequest.code)
        engine.going_on.put(None)
        assert thread.told()[0] == "long, too"
        assert thread.inbox.get(timeout=DEADLINE_S).request_id == "long, too"


def test_what_is_cancelled_while_it_takes_long_ends_and_its_id_is_free_again() -> None:
    engine = Slow()
    with prepared_by(engine) as thread:
        thread.ask("long")
        assert engine.begun.get(timeout=DEADLINE_S) == "long"
        thread.cancel("long")
        # By now its Cancel has passed.
        assert isinstance(thread.inbox.get(timeout=DEADLINE_S), Cancel)
        engine.going_on.put(None)
        request_id, event = thread.told()
        assert (request_id, event.error.code) == ("long", Cancelled.code)
        thread.ask("long")
        assert engine.begun.get(timeout=DEADLINE_S) == "long"
        engine.going_on.put(None)
        assert thread.told()[0] == "long"
        thread.preparing.check("long")
