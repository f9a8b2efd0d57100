"""Models of the hub, and how they come here."""

from collections.abc import Sequence
from typing import Annotated

from pydantic import Field, RootModel

from mlx_gui.client.connection import Connection
from mlx_gui.client.encoding import encoded, in_path
from mlx_gui.wire.downloads import DownloadBody, DownloadList, RemovedDownload
from mlx_gui.wire.models import ModelObject


class _Installing(RootModel[Annotated[DownloadBody | ModelObject, Field(discriminator="object")]]):
    """Either of the two that may be answered."""


class _Ending(RootModel[RemovedDownload | DownloadBody]):
    """Either of the two that may be answered."""


class DownloadCalls(Connection):
    """What is asked of downloads, and done to them."""

    def install(
        self,
        model_id: str,
        *,
        name: str | None = None,
        revision: str | None = None,
        files: Sequence[str] = (),
    ) -> DownloadBody | ModelObject:
        """The model if it is there, else the download that brings it. Asks the hub.

        `name` becomes an alias of it.
        """
        asked = {"model_id": model_id, "name": name, "revision": revision, "files": list(files)}
        body = encoded(asked)
        answer = self._ask("POST", "/v1/models/install", _Installing, patient=True, body=body)
        return answer.root

    def downloads(self) -> DownloadList:
        return self._ask("GET", "/v1/downloads", DownloadList)

    def download(self, download_id: str) -> DownloadBody:
        return self._ask("GET", _path(download_id), DownloadBody)

    def pause_download(self, download_id: str) -> DownloadBody:
        """Answers when it rests. Conflict for one that has ended."""
        return self._ask("POST", _path(download_id, "pause"), DownloadBody, patient=True)

    def resume_download(self, download_id: str) -> DownloadBody:
        """Also after it failed. Conflict for one that is done or cancelled."""
        return self._ask("POST", _path(download_id, "resume"), DownloadBody, patient=True)

    def cancel_download(
        self, download_id: str, *, keep_partial: bool = False
    ) -> DownloadBody | RemovedDownload:
        """The download once it has ended; one that had before is forgotten."""
        query = {"keep_partial": "true"} if keep_partial else {}
        return self._ask("DELETE", _path(download_id), _Ending, patient=True, query=query).root

    def order_downloads(self, ids: Sequence[str]) -> DownloadList:
        """All downloads as they have their turn. Conflict for one that has ended."""
        return self._ask(
            "POST", "/v1/downloads/order", DownloadList, body=encoded({"ids": list(ids)})
        )


def _path(download_id: str, action: str = "") -> str:
    path = f"/v1/downloads/{in_path(download_id, of='download')}"
    return f"{path}/{action}" if action else path
