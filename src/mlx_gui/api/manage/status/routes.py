"""Is the server alive and ready, and what is the state of it and of the machine."""

import asyncio
import os
import platform
import socket
import time

import psutil
from fastapi import APIRouter, Response

from mlx_gui.api.auth import requires
from mlx_gui.api.manage.present import present_manager, present_memory
from mlx_gui.api.manage.status.translate import (
    device_status,
    disk_status,
    folder_statuses,
    machine_status,
    reachable_addresses,
)
from mlx_gui.api.model_view import utc_time
from mlx_gui.api.services import InjectedServices
from mlx_gui.control.memory import process_rss_bytes
from mlx_gui.version import __version__
from mlx_gui.wire.errors import ErrorEnvelope
from mlx_gui.wire.status import HealthStatus, ManagerStatus, ServerStatus, SystemStatus

router = APIRouter(
    tags=["Server"],
    dependencies=[requires("models:read")],
    responses={"4XX": {"model": ErrorEnvelope}},
)


@router.get("/health", operation_id="get_health", summary="Is the server alive")
async def get_health(services: InjectedServices) -> HealthStatus:
    """Answers as long as the server does."""
    stopping = services.run_loop.snapshot().stopping
    return HealthStatus(status="stopping" if stopping else "ok", version=__version__)


@router.get(
    "/ready",
    operation_id="get_ready",
    summary="Does the server take requests",
    responses={503: {"model": HealthStatus, "description": "Starting or stopping"}},
)
async def get_ready(services: InjectedServices, response: Response) -> HealthStatus:
    """200 from the end of the start until the stop begins."""
    if services.run_loop.snapshot().stopping:
        response.status_code = 503
        return HealthStatus(status="stopping", version=__version__)
    if not services.ready():
        response.status_code = 503
        return HealthStatus(status="starting", version=__version__)
    return HealthStatus(status="ok", version=__version__)


@router.get(
    "/v1/system/status", operation_id="get_system_status", summary="Server, machine and versions"
)
async def get_system_status(services: InjectedServices) -> SystemStatus:
    """`device` is null until the machine has been probed."""
    config, facts = services.config, services.device.facts
    server = ServerStatus(
        version=__version__,
        boot_id=services.boot_id,
        pid=os.getpid(),
        started_at=utc_time(services.started_at),
        uptime_s=round(time.time() - services.started_at, 1),
        address=services.address(),
        addresses=reachable_addresses(services.address(), config.host, _interfaces()),
        data_dir=str(config.data_dir),
        model_dirs=[str(folder) for folder in config.model_dirs],
        rss_bytes=process_rss_bytes(os.getpid()),
    )
    folders = await asyncio.to_thread(folder_statuses, config.data_dir, config.model_dirs)
    return SystemStatus(
        server=server,
        machine=machine_status(services.machine),
        device=device_status(facts) if facts else None,
        memory=present_memory(services),
        disk=await asyncio.to_thread(disk_status, str(config.data_dir)),
        folders=folders,
        versions={
            "mlx-gui": __version__,
            "python": platform.python_version(),
            **(facts.versions if facts else {}),
        },
    )


@router.get(
    "/v1/manager/status",
    operation_id="get_manager_status",
    summary="Which models are loaded, and who waits",
)
async def get_manager_status(services: InjectedServices) -> ManagerStatus:
    """The run loop's advisory view."""
    return present_manager(services)


def _interfaces() -> list[str]:
    """The addresses of this machine that others could use; none where the system does not tell."""
    try:
        interfaces = psutil.net_if_addrs()
    except OSError:
        return []
    return [
        each.address
        for addresses in interfaces.values()
        for each in addresses
        if each.family in (socket.AF_INET, socket.AF_INET6) and "%" not in each.address
    ]
