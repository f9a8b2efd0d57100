"""How evictions are taken back: who left comes back as it was, and who came for it makes room."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass

from mlx_gui.control.residency.departures import Departure
from mlx_gui.control.residency.entry import Entry, LoadWaiter, loop_time_s
from mlx_gui.control.residency.loading import Loading
from mlx_gui.control.residency.models import Models
from mlx_gui.control.residency.policy import Wanted, comeback
from mlx_gui.control.residency.views import LoadOutcome
from mlx_gui.core.errors import Conflict, MlxGuiError
from mlx_gui.core.model import Model

Gone = Sequence[tuple[Model, Departure]]
"""Models that have left for the sake of the same one, as they are installed now."""


@dataclass(frozen=True, slots=True)
class Returned:
    """What is done about it: these are loaded again, and that model leaves for them if it must."""

    loading: tuple[str, ...] = ()
    leaves: str | None = None


class Returning:
    """Belongs to the run loop, which calls one method after the other.

    What a method raises is the answer to whoever posted the event.
    """

    def __init__(self, models: Models, loading: Loading) -> None:
        self._models = models
        self._loading = loading

    def on_take_back(self, gone: Gone, answered: "asyncio.Future[Returned]") -> None:
        """Load those again that are not there. Nobody leaves for them but the model for whose sake
        they went, and that only while nobody uses it: Raises Conflict where it takes more, and
        what forbids a load of one.
        """
        self._models.refuse_when_stopping()
        missing = [(model, each) for model, each in gone if not self._comes(model)]
        if not missing:
            answered.set_result(Returned())
            return
        cause = self._models.entries.get(missing[0][1].cause or "")
        leaves = self._makes_room(cause, missing)
        if cause is not None and leaves:
            cause.fail_waiting(Conflict(f"The load of {cause.model.id} was taken back."))
            self._models.stop_worker(cause, "unload", "its load was taken back")
        for model, departure in missing:
            self._load(model, departure)
        loading = tuple(model.id for model, _ in missing)
        answered.set_result(Returned(loading, cause.model.id if cause and leaves else None))

    def _comes(self, model: Model) -> bool:
        """Whether it is there, or somebody else wants it already."""
        entry = self._models.entries.get(model.id)
        return entry is not None and (
            entry.asked_for or (entry.worker is not None and not entry.leaving)
        )

    def _makes_room(self, cause: Entry | None, missing: Gone) -> bool:
        """Whether `cause` has to leave. Raises Conflict, and what forbids a load."""
        planner = self._models.effects.planner
        wanted = [
            Wanted(model.id, planner.plan(model, departure.wish).need)
            for model, departure in missing
        ]
        waits = cause is not None and cause.worker is None and cause.asked_for
        if cause is not None and waits and cause.queue:
            raise Conflict(
                f"{cause.model.id} is loaded for requests that wait for it, so "
                f"{', '.join(each.model_id for each in wanted)} cannot come back now.",
                hint="Take it back once they are answered.",
            )
        way = comeback(
            wanted,
            self._models.residents(),
            cause_id=None if cause is None else cause.model.id,
            limits=self._models.limits(),
            now_s=loop_time_s(),
        )
        if isinstance(way, MlxGuiError):
            raise way
        return waits or way == "instead"

    def _load(self, model: Model, departure: Departure) -> None:
        outcome: asyncio.Future[LoadOutcome] = asyncio.get_running_loop().create_future()
        outcome.add_done_callback(_heard)
        waiter = LoadWaiter(outcome, loop_time_s(), departure.wish, departure.keep_alive_s)
        self._loading.on_load(model, waiter, None)


def _heard(outcome: "asyncio.Future[LoadOutcome]") -> None:
    """Nobody waits for it: how it ended is seen by the model's state."""
    outcome.exception()
