"""What a LoadSpec really took the last time it was resident."""

import msgspec
from sqlalchemy import Connection, select
from sqlalchemy.dialects.sqlite import insert

from mlx_gui.core.model import LoadSpec, MemoryUse
from mlx_gui.store.schema import measurements


class Measurement(msgspec.Struct, frozen=True):
    """The memory of a worker that is loaded and has answered nothing yet, and its load's time."""

    use: MemoryUse
    load_ms: float


def record_measurement(
    connection: Connection, spec: LoadSpec, *, measured: Measurement, now: str
) -> None:
    """Keeps `measured` in the place of the spec's earlier one."""
    row = {
        "model": spec.model_id,
        "active_bytes": measured.use.active_bytes,
        "cache_bytes": measured.use.cache_bytes,
        "peak_bytes": measured.use.peak_bytes,
        "rss_bytes": measured.use.rss_bytes,
        "load_ms": measured.load_ms,
        "measured_at": now,
    }
    connection.execute(
        insert(measurements)
        .values(spec_key=spec.key(), **row)
        .on_conflict_do_update(index_elements=[measurements.c.spec_key], set_=row)
    )


def last_measurement(connection: Connection, spec: LoadSpec) -> Measurement | None:
    """None when the spec was never loaded here."""
    wanted = measurements.c.spec_key == spec.key()
    row = connection.execute(select(measurements).where(wanted)).one_or_none()
    if row is None:
        return None
    use = MemoryUse(row.active_bytes, row.cache_bytes, row.peak_bytes, row.rss_bytes)
    return Measurement(use, row.load_ms)
