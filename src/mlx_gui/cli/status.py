"""`mlx-gui status`."""

from datetime import datetime

from mlx_gui.cli.connection import connect
from mlx_gui.cli.options import DataDir, Json, Url
from mlx_gui.cli.output import console, facts_table, write_json
from mlx_gui.core.units import format_bytes, format_duration
from mlx_gui.wire.addresses import AddressList
from mlx_gui.wire.status import (
    ContainerStatus,
    FolderStatus,
    MachineStatus,
    ManagerStatus,
    SystemStatus,
)


def command(*, json: Json = False, url: Url = None, data_dir: DataDir = None) -> None:
    with connect(url, data_dir) as client:
        system, manager, reached = client.system(), client.manager(), client.addresses()
    if json:
        write_json(
            {
                "system": system.model_dump(mode="json"),
                "manager": manager.model_dump(mode="json"),
                "addresses": reached.model_dump(mode="json"),
            }
        )
    else:
        console().print(facts_table(status_rows(system, manager, reached)))


def status_rows(
    system: SystemStatus, manager: ManagerStatus, reached: AddressList
) -> list[tuple[str, str]]:
    """What a person wants to know first, by name."""
    server, memory, disk = system.server, system.memory, system.disk
    started = datetime.fromisoformat(server.started_at).astimezone()
    rows = [
        ("Server", f"{server.address}, version {server.version}, process {server.pid}"),
        ("Interface", f"{server.address}/admin"),
        ("From elsewhere", _from_elsewhere(reached)),
        ("Running for", f"{format_duration(server.uptime_s)}, since {started:%Y-%m-%d %H:%M}"),
        ("Data", server.data_dir),
        (
            "Model folders",
            ", ".join(_folder(each) for each in system.folders if each.use == "models"),
        ),
        ("Machine", _machine(system.machine)),
    ]
    if system.device is None:
        rows.append(("Device", "not examined yet"))
    else:
        rows.append(("Device", f"{system.device.name}, {system.device.backend}"))
        if system.device.blas is not None:
            rows.append(("BLAS", system.device.blas))
    if memory.container is not None:
        rows.append(("Container", _container(memory.container)))
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
        ("Budget set by", memory.budget.reason),
        ("Disk", f"{format_bytes(disk.free_bytes)} of {format_bytes(disk.total_bytes)} free"),
        (
            "In memory",
            f"{len(manager.loaded_models)} of at most {manager.max_loaded_models} models",
        ),
        ("Requests", f"{manager.active_requests} running, {manager.queued_requests} waiting"),
    ]
    return rows


def _from_elsewhere(reached: AddressList) -> str:
    """Where other machines find the server, or why they do not."""
    others = [each.url for each in reached.addresses if each.kind != "loopback"]
    if not others:
        return f"{reached.reason or ''} {reached.hint or ''}".strip()
    return f"{', '.join(others)}; with a key"


def _folder(folder: FolderStatus) -> str:
    if folder.free_bytes is None:
        return f"{folder.path} (cannot be read)"
    there = "" if folder.exists else "not there yet, "
    return f"{folder.path} ({there}{format_bytes(folder.free_bytes)} free)"


def _machine(machine: MachineStatus) -> str:
    cores = f"{machine.cores} cores" if machine.cores is not None else None
    known = (machine.model, machine.chip, cores, machine.system)
    return ", ".join(part for part in known if part)


def _container(container: ContainerStatus) -> str:
    swap = "" if container.swap_bytes is None else f", swap {format_bytes(container.swap_bytes)}"
    return (
        f"{format_bytes(container.limit_bytes)} at most, "
        f"{format_bytes(container.room_bytes)} of it left{swap}"
    )
