"""What a LoadSpec really took the last time it was resident."""

from collections.abc import Mapping

import msgspec
from sqlalchemy import Connection, Row, select
from sqlalchemy.dialects.sqlite import insert

from mlx_gui.core.model import LoadSpec, MemoryUse
from mlx_gui.store.schema import measurements


class Measurement(msgspec.Struct, frozen=True):
    """The memory of a worker that is loaded and has answered nothing yet, and its load's time.

    `use` has the peaks of the load; they are 0 in rows that an older version wrote.
    """

    use: MemoryUse
    load_ms: float


def record_measurement(
    connection: Connection, spec: LoadSpec, *, measured: Measurement, now: str
) -> None:
    """Keeps `measured` in the place of the spec's earlier one."""
    use = measured.use
    row = {
        "model": spec.model_id,
        "active_bytes": use.active_bytes,
        "cache_bytes": use.cache_bytes,
        "peak_bytes": use.peak_bytes,
        "rss_bytes": use.rss_bytes,
        "load_ms": measured.load_ms,
        "measured_at": now,
        "load_peak_bytes": use.load_peak_bytes,
        "peak_rss_bytes": use.peak_rss_bytes,
    }
    connection.execute(
        insert(measurements)
        .values(spec_key=spec.key(), **row)
        .on_conflict_do_update(index_elements=[measurements.c.spec_key], set_=row)
    )


def all_measurements(connection: Connection) -> Mapping[str, Measurement]:
    """Every spec's last measurement, by the key of the spec."""
    return {row.spec_key: _measurement(row) for row in connection.execute(select(measurements))}


def _measurement(row: Row[tuple[object, ...]]) -> Measurement:
    use = MemoryUse(
        row.active_bytes,
        row.cache_bytes,
        row.peak_bytes,
        row.rss_bytes,
        load_peak_bytes=row.load_peak_bytes,
        peak_rss_bytes=row.peak_rss_bytes,
    )
    return Measurement(use, row.load_ms)
