"""Requests that models were asked."""

from mlx_gui.client.connection import Connection
from mlx_gui.wire.requests import RequestList


class RequestCalls(Connection):
    """What is asked of the records of requests."""

    def requests(self, *, limit: int = 100) -> RequestList:
        """The last ones that have ended, and those under way."""
        return self._ask("GET", "/v1/requests", RequestList, query={"limit": str(limit)})
