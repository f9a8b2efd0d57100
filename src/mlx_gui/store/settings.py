"""Settings made in the interface."""

from typing import cast

import msgspec
from sqlalchemy import Connection, delete, select
from sqlalchemy.dialects.sqlite import insert

from mlx_gui.store.schema import settings


def overrides(connection: Connection) -> dict[str, object]:
    """Every value by its setting's name, as `config.resolve` takes them."""
    rows = connection.execute(select(settings.c.name, settings.c.value)).all()
    return {row.name: cast(object, msgspec.json.decode(row.value)) for row in rows}


def override(connection: Connection, name: str, *, value: object, now: str) -> None:
    """Keeps `value`, already checked, in the place of any earlier one."""
    row = {"value": msgspec.json.encode(value).decode(), "changed_at": now}
    connection.execute(
        insert(settings)
        .values(name=name, **row)
        .on_conflict_do_update(index_elements=[settings.c.name], set_=row)
    )


def clear_override(connection: Connection, name: str) -> None:
    """Lets file and default decide again."""
    connection.execute(delete(settings).where(settings.c.name == name))
