"""The way out of safe mode."""

import asyncio

from fastapi import APIRouter

from mlx_gui.api.auth import requires
from mlx_gui.api.documented import errors_as
from mlx_gui.api.injected import InjectedServices
from mlx_gui.wire.errors import ErrorEnvelope
from mlx_gui.wire.status import SafeModeBody

router = APIRouter(tags=["Server"], responses=errors_as(ErrorEnvelope, "4XX"))


@router.post(
    "/v1/manager/leave-safe-mode",
    operation_id="leave_safe_mode",
    summary="Leave safe mode",
    dependencies=[requires("models:manage")],
)
async def leave_safe_mode(services: InjectedServices) -> SafeModeBody:
    """What holds from now on: what was to be loaded at the start is loaded now.

    The same if the server was not in safe mode.
    """
    await asyncio.to_thread(services.server.safe_mode.leave)
    services.models.preload()
    services.bus.publish("manager")
    return SafeModeBody(
        active=services.server.safe_mode.active, reason=services.server.safe_mode.reason
    )
