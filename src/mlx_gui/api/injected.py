"""How a route gets the parts of the program that it uses."""

from typing import Annotated, cast

from fastapi import Depends, Request

from mlx_gui.api.services import Services


def services_of(request: Request) -> Services:
    """The running server's parts, for what is itself a dependency: each one costs its time."""
    return cast(Services, request.app.state.services)


async def services(request: Request) -> Services:
    """The running server's parts."""
    return services_of(request)


InjectedServices = Annotated[Services, Depends(services)]
