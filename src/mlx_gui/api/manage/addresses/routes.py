"""`/v1/system/addresses`: where this server can be reached."""

from fastapi import APIRouter

from mlx_gui.api.auth import requires
from mlx_gui.api.documented import errors_as
from mlx_gui.api.injected import InjectedServices
from mlx_gui.api.manage.addresses.translate import address_list, interfaces_here
from mlx_gui.wire.addresses import AddressList
from mlx_gui.wire.errors import ErrorEnvelope

router = APIRouter(
    tags=["Server"],
    dependencies=[requires("models:read")],
    responses=errors_as(ErrorEnvelope, "4XX"),
)


@router.get(
    "/v1/system/addresses",
    operation_id="list_addresses",
    summary="Where this server can be reached",
)
async def list_addresses(services: InjectedServices) -> AddressList:
    """By programs of this machine, from the network, and by the names of `allowed_hosts`."""
    config = services.server.config
    return address_list(
        services.server.address(),
        config.host,
        interfaces=interfaces_here(),
        names=config.allowed_hosts,
    )
