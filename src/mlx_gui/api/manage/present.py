"""The state of this very moment, as JSON models."""

import asyncio
import os
import platform
import time

from mlx_gui.api.manage.addresses.translate import interfaces_here, reachable_addresses
from mlx_gui.api.manage.server_settings.translate import settings_body
from mlx_gui.api.manage.status.translate import (
    device_status,
    disk_status,
    folder_statuses,
    machine_status,
    manager_status,
    memory_status,
    update_status,
)
from mlx_gui.api.model_view import utc_time
from mlx_gui.api.services import Services
from mlx_gui.control.machine.sampler import process_private_bytes, process_rss_bytes
from mlx_gui.server_settings import SERVER_SETTINGS
from mlx_gui.version import __version__
from mlx_gui.wire.server_settings import ServerSettingsBody
from mlx_gui.wire.status import (
    ManagerStatus,
    MemoryStatus,
    SafeModeBody,
    ServerStatus,
    SpareBody,
    SystemStatus,
)


async def present_system(services: Services) -> SystemStatus:
    """Server, machine, disks and versions; waits for disks that sleep."""
    config, facts = services.server.config, services.machine.device.facts
    server = ServerStatus(
        version=__version__,
        boot_id=services.server.boot_id,
        pid=os.getpid(),
        started_at=utc_time(services.server.started_at),
        uptime_s=round(time.time() - services.server.started_at, 1),
        address=services.server.address(),
        addresses=[
            each.url
            for each in reachable_addresses(
                services.server.address(), config.host, interfaces_here()
            )
        ],
        data_dir=str(config.data_dir),
        model_dirs=[str(folder) for folder in config.model_dirs],
        rss_bytes=process_rss_bytes(os.getpid()),
    )
    update = services.server.updates.state
    folders = await asyncio.to_thread(folder_statuses, config.data_dir, config.model_dirs)
    return SystemStatus(
        server=server,
        machine=machine_status(services.machine.identity),
        device=device_status(facts) if facts else None,
        memory=present_memory(services),
        disk=await asyncio.to_thread(disk_status, str(config.data_dir)),
        folders=folders,
        versions={
            "mlx-gui": __version__,
            "python": platform.python_version(),
            **(facts.versions if facts else {}),
        },
        update=update and update_status(update),
    )


def present_memory(services: Services) -> MemoryStatus:
    """The machine's memory as last sampled."""
    sampler, snapshot = services.machine.sampler, services.models.run_loop.snapshot()
    held_bytes = sum(process_private_bytes(view.pid) for view in snapshot.models.values())
    return memory_status(
        sampler.latest,
        snapshot,
        pressure=sampler.pressure,
        budget=services.machine.budget.of(sampler.latest, held_bytes),
        worker_bytes=sampler.worker_bytes,
    )


def present_manager(services: Services) -> ManagerStatus:
    """Residency and queue."""
    safe_mode, spare = services.server.safe_mode, services.machine.spare
    status = manager_status(
        services.models.run_loop.snapshot(),
        max_loaded_models=services.server.config.max_loaded_models,
    )
    return status.model_copy(
        update={
            "safe_mode": SafeModeBody(active=safe_mode.active, reason=safe_mode.reason),
            "spare": spare.pid
            and SpareBody(pid=spare.pid, ready=spare.warm, held_bytes=spare.held_bytes()),
        }
    )


async def present_settings(services: Services) -> ServerSettingsBody:
    """The settings of the server, and what a restart would change."""
    settings = services.server.settings
    later = await asyncio.to_thread(settings.next_start)
    return settings_body(
        SERVER_SETTINGS,
        settings.config,
        after_restart=later.config,
        changeable={row.name for row in SERVER_SETTINGS if settings.changeable(row)},
        problems=settings.ignored if later.problem is None else [*settings.ignored, later.problem],
    )
