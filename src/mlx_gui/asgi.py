"""The HTTP application as a whole, whose modules are imported while the server answers already."""

from fastapi import FastAPI

from mlx_gui.api.families import install
from mlx_gui.api.services import Services
from mlx_gui.version import __version__
from mlx_gui.web.static_files import mount as mount_interface


def build_asgi(services: Services) -> FastAPI:
    """The HTTP application over `services`: every family, and the web interface."""
    asgi = FastAPI(
        title="mlx-gui",
        version=__version__,
        summary="A private AI server on Apple's MLX.",
        docs_url=None,
        redoc_url=None,
    )
    install(asgi, services)
    mount_interface(asgi)
    return asgi
