"""What lies on the disks → JSON."""

from collections.abc import Collection, Mapping, Sequence
from pathlib import Path

from mlx_gui.api.model_view import utc_time
from mlx_gui.catalog.disk import FolderUse
from mlx_gui.wire.disk import FolderOnDisk, ModelOnDisk


def folder_bodies(
    used: Sequence[FolderUse], last_used: Mapping[str, float], away: Collection[Path]
) -> list[FolderOnDisk]:
    """The folders in their order, in each the largest model first; `away` are models' places."""
    return [_folder_body(use, last_used, away) for use in used]


def _folder_body(
    use: FolderUse, last_used: Mapping[str, float], away: Collection[Path]
) -> FolderOnDisk:
    room = use.room
    return FolderOnDisk(
        path=str(use.path),
        there=room is not None,
        # One of which no model is known was perhaps never made.
        away=room is None and any(each.is_relative_to(use.path) for each in away),
        disk=None if room is None else room.device,
        total_bytes=None if room is None else room.total_bytes,
        free_bytes=None if room is None else room.free_bytes,
        models_bytes=sum(use.models.values()),
        downloads_bytes=use.downloads_bytes,
        trash_bytes=use.trash_bytes,
        other_bytes=use.other_bytes,
        models=[
            ModelOnDisk(id=name, disk_bytes=size, last_used_at=utc_time(last_used.get(name)))
            for name, size in sorted(use.models.items(), key=lambda item: (-item[1], item[0]))
        ],
    )
