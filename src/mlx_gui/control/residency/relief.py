"""Memory given back when there is too little of it: caches first, then models that are idle."""

from mlx_gui.control.machine.reading import Pressure
from mlx_gui.control.residency.model_entry import Entry, loop_time_s
from mlx_gui.control.residency.models import Residents
from mlx_gui.control.residency.policy import Resident, evictable, surplus

RELIEF_INTERVAL_S = 5.0
"""While there is pressure, one more model leaves after each such time."""


def relieve(residents: Residents, level: Pressure) -> None:
    """One round of relief: caches and one idle model at `warn`, all idle models at `critical`."""
    reason = f"memory pressure is {level}"
    shrink(residents, reason)
    idle = _idle(residents)
    for each in idle if level == "critical" else idle[:1]:
        residents.evict(residents.entries[each.model_id], reason)


def recover(residents: Residents, entry: Entry) -> bool:
    """After the worker of `entry` ran out of memory: idle models leave, and it is to take less.

    False when it took less already: it does not fit.
    """
    reason = f"{entry.model.id} ran out of memory"
    shrink(residents, reason)
    for each in _idle(residents):
        residents.evict(residents.entries[each.model_id], reason, cause=entry.model.id)
    if entry.loaded_wish.footprint == "small":
        return False
    entry.ran_out_s = loop_time_s()
    residents.decisions.note("reload", entry.model.id, reason="it ran out of memory; takes less")
    return True


def shed(residents: Residents) -> None:
    """After a change of settings: idle models leave that the limits leave no room for."""
    for each in surplus(residents.residents(), residents.limits()):
        residents.evict(residents.entries[each.model_id], "the limits were lowered")


def shrink(residents: Residents, reason: str) -> None:
    """Ask every worker for its caches."""
    for entry in residents.entries.values():
        if entry.ready and entry.worker is not None:
            entry.worker.reclaim()
            residents.decisions.note("shrink", entry.model.id, reason=reason)


def _idle(residents: Residents) -> list[Resident]:
    """Who may leave at once, whoever matters least first."""
    return [each for each in evictable(residents.residents()) if each.idle]
