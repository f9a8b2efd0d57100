"""Other names that people gave models."""

from sqlalchemy import Connection, delete, select
from sqlalchemy.dialects.sqlite import insert

from mlx_gui.core.alias import Alias
from mlx_gui.store.schema import aliases


def all_aliases(connection: Connection) -> list[Alias]:
    """Every alias, sorted."""
    rows = connection.execute(select(aliases).order_by(aliases.c.alias)).all()
    return [Alias(row.alias, row.model, row.created_at) for row in rows]


def keep_alias(connection: Connection, alias: Alias) -> None:
    """Keeps it in the place of an earlier one of that name."""
    row = {"model": alias.model_id, "created_at": alias.created_at}
    connection.execute(
        insert(aliases)
        .values(alias=alias.name, **row)
        .on_conflict_do_update(index_elements=[aliases.c.alias], set_=row)
    )


def forget_alias(connection: Connection, name: str) -> None:
    """Nothing is called so any more."""
    connection.execute(delete(aliases).where(aliases.c.alias == name))
