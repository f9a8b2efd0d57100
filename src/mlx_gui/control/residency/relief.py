"""Memory given back when there is too little of it: caches first, then models that are idle."""

import asyncio

from mlx_gui.control.machine.reading import Pressure
from mlx_gui.control.residency.entry import Entry, loop_time_s
from mlx_gui.control.residency.models import Models
from mlx_gui.control.residency.policy import Resident, evictable, surplus

RELIEF_INTERVAL_S = 5.0
"""While there is pressure, one more model leaves after each such time."""


class Relief:
    """Belongs to the run loop, which calls one method after the other."""

    def __init__(self, models: Models) -> None:
        self._models = models
        self._again: asyncio.TimerHandle | None = None

    def on_pressure(self, level: Pressure) -> None:
        if self._again is not None:
            self._again.cancel()
            self._again = None
        self._models.pressure = level
        self._models.reconsider_spare()
        if level != "normal":
            self._relieve(level)
            self._again = asyncio.get_running_loop().call_later(
                RELIEF_INTERVAL_S, self._models.post, self.on_pressure, level
            )
        self._models.bus.publish("memory")

    def recover(self, entry: Entry) -> bool:
        """After the worker of `entry` ran out of memory: idle ones leave, and it is to take less.

        False when it took less already: it does not fit.
        """
        reason = f"{entry.model.id} ran out of memory"
        self._shrink(reason)
        for each in self._idle():
            self._models.evict(self._models.entries[each.model_id], reason, cause=entry.model.id)
        if entry.load.wish.footprint == "small":
            return False
        entry.load.ran_out_s = loop_time_s()
        self._models.decisions.note(
            "reload", entry.model.id, reason="it ran out of memory; takes less"
        )
        return True

    def shed(self) -> None:
        """After a change of settings: idle models leave that the limits leave no room for."""
        for each in surplus(self._models.residents(), self._models.limits()):
            self._models.evict(self._models.entries[each.model_id], "the limits were lowered")

    def _relieve(self, level: Pressure) -> None:
        """One round: caches and one idle model at `warn`, all idle models at `critical`."""
        reason = f"memory pressure is {level}"
        self._shrink(reason)
        idle = self._idle()
        for each in idle if level == "critical" else idle[:1]:
            self._models.evict(self._models.entries[each.model_id], reason)

    def _shrink(self, reason: str) -> None:
        """Ask every worker for its caches."""
        for entry in self._models.entries.values():
            if entry.ready and entry.worker is not None:
                entry.worker.reclaim()
                self._models.decisions.note("shrink", entry.model.id, reason=reason)

    def _idle(self) -> list[Resident]:
        """Who may leave at once, whoever matters least first."""
        return [each for each in evictable(self._models.residents()) if each.idle]
