"""Settings made in the interface."""

from collections.abc import Mapping
from typing import cast

import msgspec
from sqlalchemy import Connection, delete, select
from sqlalchemy.dialects.sqlite import insert

from mlx_gui.store.schema import settings


def overrides(connection: Connection) -> dict[str, object]:
    """Every value by its setting's name, as `SettingSources.config` takes them.

    What is no JSON is None, which is no value of any setting.
    """
    rows = connection.execute(select(settings.c.name, settings.c.value)).all()
    return {row.name: _decoded(row.value) for row in rows}


def change_overrides(connection: Connection, changes: Mapping[str, object], *, now: str) -> None:
    """Keeps each value, already checked; None lets file and default decide again."""
    for name, value in changes.items():
        if value is None:
            clear_override(connection, name)
        else:
            override(connection, name, value=value, now=now)


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


def _decoded(text: str) -> object:
    try:
        return cast(object, msgspec.json.decode(text))
    except (msgspec.DecodeError, RecursionError):
        return None
