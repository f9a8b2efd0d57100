"""`mlx-gui status`."""

from datetime import datetime

from mlx_gui.cli.connection import connect
from mlx_gui.cli.options import DataDir, Json, Url
from mlx_gui.cli.output import console, facts_table, write_json
from mlx_gui.core.units import format_bytes, format_duration
from mlx_gui.wire.status import ManagerStatus, SystemStatus


def command(*, json: Json = False, url: Url = None, data_dir: DataDir = None) -> None:
    with connect(url, data_dir) as client:
        system, manager = client.system(), client.manager()
    if json:
        write_json(
            {"system": system.model_dump(mode="json"), "manager": manager.model_dump(mode="json")}
        )
    else:
        console().print(facts_table(status_rows(system, manager)))


def status_rows(system: SystemStatus, manager: ManagerStatus) -> list[tuple[str, str]]:
    """What a person wants to know first, by name."""
    server, memory, disk = system.server, system.memory, system.disk
    started = datetime.fromisoformat(server.started_at).astimezone()
    rows = [
        ("Server", f"{server.address}, version {server.version}, process {server.pid}"),
        ("Interface", f"{server.address}/admin"),
        ("Running for", f"{format_duration(server.uptime_s)}, since {started:%Y-%m-%d %H:%M}"),
        ("Data", server.data_dir),
        ("Model folders", ", ".join(server.model_dirs)),
    ]
    if system.device is None:
        rows.append(("Device", "not examined yet"))
    else:
        rows.append(("Device", f"{system.device.name}, {system.device.backend}"))
        if system.device.blas is not None:
            rows.append(("BLAS", system.device.blas))
    rows += [
        (
            "Memory",
            f"{format_bytes(memory.available_bytes)} of {format_bytes(memory.total_bytes)} "
            f"available, pressure {memory.pressure}",
        ),
        (
            "Models' budget",
            f"{format_bytes(memory.used_by_models_bytes)} of "
            f"{format_bytes(memory.budget_bytes)} in use",
        ),
        ("Disk", f"{format_bytes(disk.free_bytes)} of {format_bytes(disk.total_bytes)} free"),
        (
            "In memory",
            f"{len(manager.loaded_models)} of at most {manager.max_loaded_models} models",
        ),
        ("Requests", f"{manager.active_requests} running, {manager.queued_requests} waiting"),
    ]
    return rows
