"""How a route says what whoever asks must be allowed to do."""

from typing import Annotated, Any

from fastapi import Depends, Request

from mlx_gui.api.injected import services_of
from mlx_gui.api.principal import AccessScope, Principal, demand, principal_of


async def authenticate(request: Request) -> Principal:
    """The request's principal. Raises Unauthenticated."""
    server = services_of(request).server
    return principal_of(
        request, trusted_proxies=server.config.trusted_proxies, token=server.local_token
    )


def requires(scope: AccessScope) -> Any:
    """A dependency that gives the principal, which has `scope`. Raises Forbidden."""

    async def authorize(who: Annotated[Principal, Depends(authenticate)]) -> Principal:
        demand(who, scope)
        return who

    return Depends(authorize)
