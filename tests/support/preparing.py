"""Requests that are prepared without a worker."""

from typing import Any

from mlx_gui.engines.base import Engine, TakesLong, always_wanted


def prepare(engine: Engine, *arguments: Any) -> Any:
    """As the preparation thread does it, which has work that takes long done first."""
    while True:
        try:
            return engine.prepare(*arguments)
        except TakesLong as long:
            long.work(always_wanted)
