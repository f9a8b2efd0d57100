"""Models that were ever found, which of them are hidden, and where removed ones lie."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass

from sqlalchemy import Connection, delete, select
from sqlalchemy.dialects.sqlite import insert

from mlx_gui.store.schema import hidden_models, models, seen_models, trash_folders


@dataclass(frozen=True, slots=True)
class KnownModel:
    """When it was first found, whether it is not to be listed, and how it was seen last."""

    discovered_at: str
    hidden: bool = False
    seen: str | None = None


def record_found(
    connection: Connection, found: Mapping[str, str | None], *, now: str
) -> dict[str, KnownModel]:
    """Every known model, by name; `found` are those that a scan found, with how it saw them.

    Models that are missing now stay known: their disk may be away.
    """
    if found:
        connection.execute(
            insert(models).on_conflict_do_nothing(),
            [{"name": name, "discovered_at": now} for name in sorted(found)],
        )
    if seen := [{"model": name, "seen": how} for name, how in sorted(found.items()) if how]:
        new = insert(seen_models)
        connection.execute(
            new.on_conflict_do_update(
                index_elements=[seen_models.c.model], set_={"seen": new.excluded.seen}
            ),
            seen,
        )
    hidden = set(connection.execute(select(hidden_models.c.model)).scalars())
    how = {row.model: row.seen for row in connection.execute(select(seen_models)).all()}
    rows = connection.execute(select(models.c.name, models.c.discovered_at)).all()
    return {
        row.name: KnownModel(row.discovered_at, row.name in hidden, how.get(row.name))
        for row in rows
    }


def hide(connection: Connection, name: str) -> None:
    """The model is not to be listed."""
    connection.execute(insert(hidden_models).on_conflict_do_nothing(), [{"model": name}])


def show(connection: Connection, name: str) -> None:
    """The model is to be listed."""
    connection.execute(delete(hidden_models).where(hidden_models.c.model == name))


def show_all(connection: Connection) -> None:
    """No model is hidden any more."""
    connection.execute(delete(hidden_models))


def forget_seen(connection: Connection, name: str) -> None:
    """The model was removed, so that it is not away."""
    connection.execute(delete(seen_models).where(seen_models.c.model == name))


def trash_bases(connection: Connection) -> list[str]:
    """The folders that ever had a trash in them."""
    return list(connection.execute(select(trash_folders.c.base)).scalars())


def note_trash_bases(connection: Connection, bases: Collection[str]) -> None:
    """These folders are about to have one."""
    if bases:
        rows = [{"base": base} for base in sorted(bases)]
        connection.execute(insert(trash_folders).on_conflict_do_nothing(), rows)
