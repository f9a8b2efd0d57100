"""From `mlx-gui start` to the first 200 of `/health`, and what the server holds when idle.

The data directory has been used before and byte code is compiled. Resident memory is that of the
server's own process, 5 s after it was healthy.
"""

import time

from bench.context import Context, environment
from bench.pairs import Sample, interleave
from bench.report import Bound, Row, figure_row
from bench.server import serving

_IDLE_S = 5


def measure(context: Context) -> list[Row]:
    """Start time and resident memory; nothing to compare with."""
    context.model_folder("stored")
    data_dir = context.scratch / "startup"
    flags = ("--model-dirs", str(context.models_dir))
    with serving(data_dir, *flags, environment=environment()):
        pass

    def start() -> Sample:
        with serving(data_dir, *flags, environment=environment(), answers="/health") as server:
            time.sleep(_IDLE_S)
            return {
                "started_s": server.started_s,
                "resident_mb": server.resident_bytes() / 1e6,
            }

    found = interleave({"start": start}, rounds=context.rounds)["start"]
    return [
        figure_row("start to healthy", found["started_s"], "s", Bound("≤", 0.7)),
        figure_row("idle resident memory", found["resident_mb"], "MB", Bound("≤", 100)),
    ]
