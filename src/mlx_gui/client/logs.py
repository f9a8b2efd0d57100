"""The log of the server."""

from mlx_gui.client.connection import Connection
from mlx_gui.wire.logs import LogList


class LogCalls(Connection):
    """What the server has written into its log."""

    def logs(
        self,
        *,
        level: str = "debug",
        model: str | None = None,
        request_id: str | None = None,
        after: int | None = None,
        limit: int = 100,
    ) -> LogList:
        """The last lines, or with `after` the first ones behind that number."""
        asked = {"model": model, "request_id": request_id, "after": after}
        given = {name: str(value) for name, value in asked.items() if value is not None}
        query = {"level": level, "limit": str(limit), **given}
        return self._ask("GET", "/v1/logs", LogList, query=query)
