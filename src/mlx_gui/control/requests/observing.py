"""Who is told of the requests that models are asked: records, figures, the log."""

from collections.abc import Sequence
from typing import Protocol

from mlx_gui.core.ask import Ask, RequestEnd
from mlx_gui.core.generation import Event


class RequestObserver(Protocol):
    """Told of each request, accepted or not. Called on the event loop: must not block or raise.

    The calls for one request come in this order; each `submitted` is followed by one `ended`, and
    those between may be missing.
    """

    def submitted(self, ask: Ask, model_id: str) -> None:
        """It has come in, and may yet be refused."""
        ...

    def granted(self, ask: Ask) -> None:
        """A worker has it. Once more if another one takes it up."""
        ...

    def begun(self, ask: Ask) -> None:
        """The first of its answer has come."""
        ...

    def advanced(self, ask: Ask, events: Sequence[Event]) -> None:
        """Its worker has told of these; as often as there is a step."""
        ...

    def ended(self, ask: Ask, end: RequestEnd) -> None:
        """Nothing more will come of it, in the worker neither."""
        ...


class Observers:
    """Several observers as one, told in this order."""

    def __init__(self, observers: Sequence[RequestObserver]) -> None:
        self._observers = tuple(observers)

    def submitted(self, ask: Ask, model_id: str) -> None:
        for each in self._observers:
            each.submitted(ask, model_id)

    def granted(self, ask: Ask) -> None:
        for each in self._observers:
            each.granted(ask)

    def begun(self, ask: Ask) -> None:
        for each in self._observers:
            each.begun(ask)

    def advanced(self, ask: Ask, events: Sequence[Event]) -> None:
        for each in self._observers:
            each.advanced(ask, events)

    def ended(self, ask: Ask, end: RequestEnd) -> None:
        for each in self._observers:
            each.ended(ask, end)
