"""How scarce memory is, from one reading and the level before it."""

from mlx_gui.control.machine.budget import reserve_of
from mlx_gui.control.machine.reading import MemoryReading, Pressure, Stall

_WARN_SHARE = 1 / 2
_CRITICAL_SHARE = 1 / 4
"""Parts of the reserve. Models that fill the budget leave the reserve, which is no scarcity yet."""

_STALLS_COUNT_BELOW = 2
"""Reserves. Others on the machine may stall by a limit of their own while we have plenty."""

_WARN_SOME, _WARN_FULL = 10.0, 5.0
_CRITICAL_FULL = 20.0
_EASED = 1.25
"""A level is left only when memory is this much better than what led to it."""


def pressure_level(
    reading: MemoryReading, before: Pressure, *, reserve_wanted_bytes: int = 0
) -> Pressure:
    """The level now. It rises at once and falls with a margin, so that it does not flicker.

    A kernel that has a verdict of its own is believed. A reserve that was set larger than the
    machine's own counts as that: what is kept for others is there to be used.
    """
    if reading.kernel_pressure is not None:
        return reading.kernel_pressure
    by_machine = reserve_of(reading.total_bytes, 0)
    reserve_bytes = min(by_machine, reserve_of(reading.total_bytes, reserve_wanted_bytes))
    if _is_critical(reading, reserve_bytes, ease=_EASED if before == "critical" else 1.0):
        return "critical"
    if _is_warn(reading, reserve_bytes, ease=1.0 if before == "normal" else _EASED):
        return "warn"
    return "normal"


def _is_critical(reading: MemoryReading, reserve_bytes: int, *, ease: float) -> bool:
    if reading.available_bytes < reserve_bytes * _CRITICAL_SHARE * ease:
        return True
    stall = _stall(reading, reserve_bytes)
    return stall.full >= _CRITICAL_FULL / ease


def _is_warn(reading: MemoryReading, reserve_bytes: int, *, ease: float) -> bool:
    if reading.available_bytes < reserve_bytes * _WARN_SHARE * ease:
        return True
    stall = _stall(reading, reserve_bytes)
    return stall.some >= _WARN_SOME / ease or stall.full >= _WARN_FULL / ease


def _stall(reading: MemoryReading, reserve_bytes: int) -> Stall:
    plenty = reading.available_bytes >= reserve_bytes * _STALLS_COUNT_BELOW
    return Stall(0.0, 0.0) if reading.stall is None or plenty else reading.stall
