"""Is the server alive: said by the whole API, and before that is there."""

import msgspec
from starlette.responses import Response

from mlx_gui.api.services import Services
from mlx_gui.version import __version__


def health(services: Services) -> Response:
    """What `/health` answers."""
    stopping = services.models.run_loop.snapshot().stopping
    body = {"status": "stopping" if stopping else "ok", "version": __version__}
    return Response(msgspec.json.encode(body), media_type="application/json")
