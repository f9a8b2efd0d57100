"""Models that were ever found, and where."""

from collections.abc import Sequence

from sqlalchemy import Connection, select
from sqlalchemy.dialects.sqlite import insert

from mlx_gui.store.schema import locations, models


def record_found(
    connection: Connection, found: Sequence[tuple[str, str]], *, now: str
) -> dict[str, str]:
    """When each known model was first found, by name; `found` are names and paths of a scan.

    Models that are missing now stay known: their disk may be away.
    """
    if found:
        names = sorted({name for name, _ in found})
        connection.execute(
            insert(models).on_conflict_do_nothing(),
            [{"name": name, "discovered_at": now} for name in names],
        )
    rows = connection.execute(select(models.c.name, models.c.id, models.c.discovered_at)).all()
    if found:
        ids = {row.name: row.id for row in rows}
        upsert = insert(locations)
        connection.execute(
            upsert.on_conflict_do_update(
                index_elements=[locations.c.path],
                set_={"model_id": upsert.excluded.model_id, "seen_at": upsert.excluded.seen_at},
            ),
            [{"model_id": ids[name], "path": path, "seen_at": now} for name, path in found],
        )
    return {row.name: row.discovered_at for row in rows}
