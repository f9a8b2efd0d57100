"""Removed models → JSON."""

from mlx_gui.api.model_view import utc_time
from mlx_gui.catalog.trash import TrashEntry
from mlx_gui.control.removals import Removals, Removed
from mlx_gui.wire.removals import RemovedModelBody, TrashEntryBody, TrashList


def removed_body(removals: Removals, removed: Removed) -> RemovedModelBody:
    """What a removal has done."""
    entry = removed.entry
    return RemovedModelBody(
        id=removed.model.id,
        trash_id=None if entry is None else entry.id,
        undo_until=None if entry is None else utc_time(removals.undo_until_s(entry)),
        freed_bytes=removed.freed_bytes,
        other_revisions=list(removed.stays),
    )


def trash_list(removals: Removals, entries: list[TrashEntry]) -> TrashList:
    """All that can come back."""
    return TrashList(
        data=[entry_body(removals, entry) for entry in entries],
        freed_bytes=sum(entry.freed_bytes for entry in entries),
    )


def entry_body(removals: Removals, entry: TrashEntry) -> TrashEntryBody:
    """One model that can come back."""
    return TrashEntryBody(
        id=entry.id,
        model=entry.model_id,
        removed_at=utc_time(entry.removed_at),
        undo_until=utc_time(removals.undo_until_s(entry)),
        freed_bytes=entry.freed_bytes,
        places=[str(place) for place in entry.places],
    )
