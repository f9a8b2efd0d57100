"""A server and the local hub that it finds models on, as a person sees both."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from playwright.sync_api import Locator, Page

from tests.hub.server import HubServer
from tests.process.pulling import settings_of
from tests.support.server import Server, running_server

MB = 1024 * 1024


@dataclass(frozen=True, slots=True)
class House:
    """A server and the hub that it asks."""

    server: Server
    hub: HubServer

    def install(self, model_id: str) -> str:
        """The id of the download that brings it."""
        with self.server.client() as client:
            answer = client.post("/v1/models/install", json={"model_id": model_id})
        assert answer.status_code == 202, answer.text
        return answer.json()["id"]

    def limit(self, bytes_per_s: int) -> None:
        """From now on downloads come so fast together; 0 is as fast as they can."""
        change = {"settings": {"download_limit_bytes": bytes_per_s}}
        with self.server.client() as client:
            client.patch("/v1/settings", json=change).raise_for_status()

    def clear(self) -> None:
        """The hub is well, and nothing of it is here any more or on its way."""
        self.hub.heal()
        self.limit(0)
        with self.server.client() as client:
            for each in client.get("/v1/downloads").json()["data"]:
                path = f"/v1/downloads/{each['id']}"
                if client.delete(path).json().get("deleted") is not True:
                    client.delete(path)
            for each in client.get("/v1/models").json()["data"]:
                client.delete(f"/v1/models/{each['id']}").raise_for_status()
            for each in client.get("/v1/trash").json()["data"]:
                client.delete(f"/v1/trash/{each['id']}").raise_for_status()


@contextmanager
def house(folder: Path, settings: Mapping[str, object] | None = None) -> Iterator[House]:
    """An empty hub, and a server on MLX that has no models."""
    with HubServer() as hub:
        wanted = settings_of(folder, hub, **(settings or {}))
        with running_server(folder, engine="mlx", settings=wanted) as server:
            yield House(server, hub)


def download_row(page: Page, model_id: str) -> Locator:
    """The row of the download of that model."""
    link = page.get_by_role("link", name=model_id, exact=True)
    return page.get_by_role("main").get_by_role("listitem").filter(has=link)
