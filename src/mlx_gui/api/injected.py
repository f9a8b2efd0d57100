"""How a route gets the parts of the program that it uses."""

from typing import Annotated, cast

from fastapi import Depends, Request

from mlx_gui.api.services import Services


async def services(request: Request) -> Services:
    """The running server's parts."""
    return cast(Services, request.app.state.services)


InjectedServices = Annotated[Services, Depends(services)]
