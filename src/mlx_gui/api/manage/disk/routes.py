"""`/v1/system/disk`: what models, trash, downloads and caches take."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from fastapi import APIRouter

from mlx_gui.api.auth import requires
from mlx_gui.api.documented import errors_as
from mlx_gui.api.injected import InjectedServices
from mlx_gui.api.manage.disk.translate import folder_bodies
from mlx_gui.api.services import Services
from mlx_gui.catalog.disk import FolderUse, bytes_below, disk_use, room_of
from mlx_gui.catalog.scan import Sighting
from mlx_gui.config import MODELS_FOLDER
from mlx_gui.core.errors import MlxGuiError
from mlx_gui.store.errors import StoreError
from mlx_gui.wire.disk import DiskUse
from mlx_gui.wire.errors import ErrorEnvelope

router = APIRouter(
    tags=["System"],
    dependencies=[requires("models:read")],
    responses=errors_as(ErrorEnvelope, "4XX", "5XX"),
)


@router.get("/v1/system/disk", operation_id="get_disk", summary="Show what lies on the disks")
async def get_disk(services: InjectedServices) -> DiskUse:
    """Counted now, each file once; large caches on slow disks take a while."""
    library, config = services.models.library, services.server.config
    await library.listed()
    counted = await asyncio.to_thread(
        _count, library.model_dirs(), library.sightings(), config.data_dir
    )
    away = {Path(model.path) for model in library.models() if model.away}
    folders = folder_bodies(counted.folders, await _last_used(services), away)
    return DiskUse(
        folders=folders,
        models_bytes=sum(each.models_bytes for each in folders),
        downloads_bytes=sum(each.downloads_bytes for each in folders),
        trash_bytes=sum(each.trash_bytes for each in folders),
        other_bytes=sum(each.other_bytes for each in folders),
        cache_bytes=counted.cache_bytes,
        data_bytes=counted.data_bytes,
        data_dir=str(config.data_dir),
        data_free_bytes=counted.data_free_bytes,
    )


@dataclass(frozen=True, slots=True)
class _Counted:
    folders: list[FolderUse]
    cache_bytes: int
    data_bytes: int
    data_free_bytes: int | None


def _count(model_dirs: Sequence[Path], places: Sequence[Sighting], data_dir: Path) -> _Counted:
    room = room_of(data_dir)
    cache_bytes = bytes_below(data_dir / "cache")
    apart = (data_dir / "cache", data_dir / MODELS_FOLDER)
    return _Counted(
        disk_use(model_dirs, places),
        cache_bytes,
        bytes_below(data_dir) - sum(map(bytes_below, apart)),
        None if room is None else room.free_bytes,
    )


async def _last_used(services: Services) -> dict[str, float]:
    """When each model was used last, as Unix time, as far as that is known."""
    try:
        used = dict(await services.requests.records.last_used())
    except (StoreError, MlxGuiError):
        # Records may be lost; what is in memory now is known all the same.
        used = {}
    for model_id, view in services.models.run_loop.snapshot().models.items():
        if view.last_used_at is not None:
            used[model_id] = max(view.last_used_at, used.get(model_id, 0))
    return used
