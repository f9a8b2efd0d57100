"""The JSON of downloads."""

from typing import Literal

from pydantic import BaseModel, ConfigDict

from mlx_gui.wire.models import ErrorBody

DownloadState = Literal[
    "queued", "checking", "downloading", "paused", "verifying", "done", "failed", "cancelled"
]


class InstallRequest(BaseModel):
    """A model of the hub that is wanted here.

    `revision` is a branch, a tag or a commit, by default `main`. `files` are patterns such as
    `*Q4_K_M.gguf` for weights that would not be taken by themselves. `name` becomes an alias of it.
    """

    model_config = ConfigDict(strict=True)

    model_id: str
    name: str | None = None
    revision: str | None = None
    files: list[str] | None = None


class DownloadBody(BaseModel):
    """A download. Bytes are those that are needed, and counted once they are on the disk.

    `bytes_done` never gets smaller, and is `bytes_total` only once all is verified. `bytes_per_s`
    is the average of the last ten seconds; `eta_s` is null until bytes have come for five. `error`
    is why it failed or rests, `note` why nothing comes at the moment. One that waits for the
    network or the hub is `queued`, and goes on by itself at `retry_at`. The one with the least
    `turn` has its turn first; it is null for one that has ended. `revision` is the commit that
    `requested_revision` was when it began.
    """

    id: str
    object: Literal["download"] = "download"
    model_id: str
    revision: str
    requested_revision: str
    state: DownloadState
    bytes_done: int
    bytes_total: int
    bytes_per_s: int | None
    eta_s: float | None
    files_done: int
    files_total: int
    current_file: str | None
    note: str | None
    error: ErrorBody | None
    retry_at: str | None
    turn: int | None
    created_at: str
    updated_at: str


class DownloadList(BaseModel):
    """Downloads: the newest first, or as they have their turn."""

    object: Literal["list"] = "list"
    data: list[DownloadBody]


class DownloadOrder(BaseModel):
    """Ids of downloads that wait, in the order in which they are to have their turn."""

    model_config = ConfigDict(strict=True)

    ids: list[str]


class RemovedDownload(BaseModel):
    """A download that is forgotten."""

    id: str
    object: Literal["download"] = "download"
    deleted: Literal[True] = True
