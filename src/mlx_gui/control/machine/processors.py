"""How busy the machine's processors are."""

import psutil


class Processors:
    """Tells what of their time was used between two questions."""

    def __init__(self) -> None:
        self._before = _times()

    def share(self) -> float | None:
        """Since the last call, from 0 to 1; None where the system does not say."""
        before, self._before = self._before, _times()
        if before is None or self._before is None:
            return None
        all_s = self._before[0] - before[0]
        idle_s = self._before[1] - before[1]
        return round(min(max(1 - idle_s / all_s, 0.0), 1.0), 3) if all_s > 0 else None


def _times() -> tuple[float, float] | None:
    """Seconds of all processors together, and what of them was idle."""
    try:
        times = psutil.cpu_times()
    except (psutil.Error, OSError):
        return None
    # Linux counts what guests used among the user's time as well.
    guests_s = getattr(times, "guest", 0.0) + getattr(times, "guest_nice", 0.0)
    return sum(times) - guests_s, times.idle + getattr(times, "iowait", 0.0)
