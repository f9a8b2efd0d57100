"""Settings of single models."""

from typing import cast

import msgspec
from sqlalchemy import Connection, delete, select
from sqlalchemy.dialects.sqlite import insert

from mlx_gui.store.schema import model_settings


def all_model_settings(connection: Connection) -> dict[str, dict[str, object]]:
    """Every value by its setting's name, by the model's id."""
    found: dict[str, dict[str, object]] = {}
    for row in connection.execute(select(model_settings)).all():
        value = cast(object, msgspec.json.decode(row.value))
        found.setdefault(row.model, {})[row.name] = value
    return found


def change_model_settings(
    connection: Connection, model: str, *, changes: dict[str, object], now: str
) -> None:
    """Keeps each value, already checked, in the place of any earlier one; None removes it."""
    for name, value in changes.items():
        if value is None:
            named = (model_settings.c.model == model, model_settings.c.name == name)
            connection.execute(delete(model_settings).where(*named))
            continue
        row = {"value": msgspec.json.encode(value).decode(), "changed_at": now}
        connection.execute(
            insert(model_settings)
            .values(model=model, name=name, **row)
            .on_conflict_do_update(
                index_elements=[model_settings.c.model, model_settings.c.name], set_=row
            )
        )
