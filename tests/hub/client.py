"""Our hub client against the local hub, in a folder of its own."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from mlx_gui.catalog.hub import Hub
from mlx_gui.config import resolve


@asynccontextmanager
async def hub_client(folder: Path, endpoint: str, **settings: object) -> AsyncIterator[Hub]:
    """A Hub whose settings are `settings`; what it remembers is in `folder`."""
    flags = {"data_dir": str(folder), "hub_endpoint": endpoint, **settings}
    config = resolve(flags=flags, environment={})
    hub = Hub(config=lambda: config, folder=folder / "cache" / "hub")
    try:
        yield hub
    finally:
        await hub.close()
