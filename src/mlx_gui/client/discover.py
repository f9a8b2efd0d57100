"""Models on the hub."""

from collections.abc import Mapping

from mlx_gui.client.connection import Connection
from mlx_gui.client.encoding import in_path
from mlx_gui.wire.discover import DiscoveredDetail, DiscoveredList, StarterList


class DiscoverCalls(Connection):
    """What is asked of the hub by way of the server, which bounds how long that takes."""

    def discover(self, filters: Mapping[str, str]) -> DiscoveredList:
        """A page of models; `filters` are by the names that the endpoint has for them."""
        return self._ask("GET", "/v1/discover/models", DiscoveredList, patient=True, query=filters)

    def discover_model(self, model_id: str, *, revision: str | None = None) -> DiscoveredDetail:
        """All about one model. ModelNotOnHub, Offline, HubUnreachable or HubAnswer."""
        path = f"/v1/discover/models/{in_path(model_id, of='model')}"
        query = {} if revision is None else {"revision": revision}
        return self._ask("GET", path, DiscoveredDetail, patient=True, query=query)

    def starters(self) -> StarterList:
        """Models to begin with, and which of them suit the machine of the server."""
        return self._ask("GET", "/v1/discover/starters", StarterList)
