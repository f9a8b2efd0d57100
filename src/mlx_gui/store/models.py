"""Models that were ever found."""

from collections.abc import Collection

from sqlalchemy import Connection, select
from sqlalchemy.dialects.sqlite import insert

from mlx_gui.store.schema import models


def record_found(connection: Connection, names: Collection[str], *, now: str) -> dict[str, str]:
    """When each known model was first found, by name; `names` are those that a scan found.

    Models that are missing now stay known: their disk may be away.
    """
    if names:
        connection.execute(
            insert(models).on_conflict_do_nothing(),
            [{"name": name, "discovered_at": now} for name in sorted(names)],
        )
    rows = connection.execute(select(models.c.name, models.c.discovered_at)).all()
    return {row.name: row.discovered_at for row in rows}
