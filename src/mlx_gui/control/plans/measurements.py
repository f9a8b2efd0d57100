"""What workers were measured to take: the one owner, which load plans ask."""

from datetime import UTC, datetime

import msgspec
import structlog

from mlx_gui.core.errors import MlxGuiError
from mlx_gui.core.model import LoadSpec, MemoryNeed
from mlx_gui.store.database import Store
from mlx_gui.store.errors import StoreError
from mlx_gui.store.measurements import Measurement, all_measurements, record_measurement

log: structlog.stdlib.BoundLogger = structlog.get_logger(__name__)


class Measurements:
    """The last measurement of each LoadSpec, in memory and in the store.

    A plan is made without waiting, so all of them are read once at the start.
    """

    def __init__(self, store: Store) -> None:
        self._store = store
        self._by_key: dict[str, Measurement] = {}

    async def recall(self) -> None:
        """Read what earlier servers have measured."""
        self._by_key = dict(await self._store.read(all_measurements))

    def by_key(self, key: str) -> Measurement | None:
        """That of the spec with this key."""
        return self._by_key.get(key)

    def of(self, spec: LoadSpec) -> Measurement | None:
        """None when nothing of the same key was ever loaded here."""
        return self._by_key.get(spec.key())

    async def note(self, spec: LoadSpec, measurement: Measurement) -> None:
        """Keep `measurement` in the place of an earlier one; that the store cannot is logged."""
        self._by_key[spec.key()] = measurement
        now = datetime.now(UTC).isoformat(timespec="seconds")
        try:
            await self._store.write(
                lambda connection: record_measurement(
                    connection, spec, measured=measurement, now=now
                )
            )
        except (StoreError, MlxGuiError) as error:
            log.warning("measurement_lost", model=spec.model_id, reason=error.message)


def corrected(need: MemoryNeed, measurement: Measurement) -> MemoryNeed:
    """`need` with what was measured of a loaded worker in the place of what its files promise.

    Weights are never less than the files have, and the caches stay as planned: they were empty.
    """
    use = measurement.use
    weights_bytes = max(need.weights_bytes, use.active_bytes)
    # What is swapped out, and on some devices what MLX holds, is missing in the resident set.
    process_bytes = use.rss_bytes - use.active_bytes
    if process_bytes < need.process_bytes // 2:
        process_bytes = need.process_bytes
    loaded_bytes = weights_bytes + process_bytes
    peak_bytes = need.load_peak_bytes
    if use.load_peak_bytes:
        peak_bytes = max(use.peak_rss_bytes, use.load_peak_bytes + process_bytes)
    return msgspec.structs.replace(
        need,
        weights_bytes=weights_bytes,
        process_bytes=process_bytes,
        overhead_bytes=need.overhead_bytes - need.process_bytes + process_bytes,
        load_peak_bytes=max(
            peak_bytes if use.load_peak_bytes else need.load_peak_bytes, loaded_bytes
        ),
    )
