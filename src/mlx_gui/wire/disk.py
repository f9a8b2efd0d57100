"""The JSON of what lies on the disks."""

from pydantic import BaseModel


class ModelOnDisk(BaseModel):
    """A model and what it takes. `last_used_at` is null for one of which no use is known."""

    id: str
    disk_bytes: int
    last_used_at: str | None


class FolderOnDisk(BaseModel):
    """One of `model_dirs`, each file counted once.

    What several models share counts for the first of them. `other_bytes` belong to no model that is
    listed. While the folder is not `there`, `total_bytes` and `free_bytes` are null; it is `away`
    if models were seen in it before, else nothing has made it yet.
    """

    path: str
    there: bool
    away: bool
    disk: int | None
    total_bytes: int | None
    free_bytes: int | None
    models_bytes: int
    downloads_bytes: int
    trash_bytes: int
    other_bytes: int
    models: list[ModelOnDisk]


class DiskUse(BaseModel):
    """All model folders and the data directory; folders with the same `disk` share its space.

    `downloads_bytes` are those of unfinished downloads, `cache_bytes` what mlx-gui can make anew.
    """

    folders: list[FolderOnDisk]
    models_bytes: int
    downloads_bytes: int
    trash_bytes: int
    other_bytes: int
    cache_bytes: int
    data_bytes: int
    data_dir: str
    data_free_bytes: int | None
