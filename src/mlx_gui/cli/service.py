"""`mlx-gui service`."""

import subprocess
from dataclasses import asdict
from typing import Annotated, Literal

import typer

from mlx_gui.cli.options import DataDir, Json
from mlx_gui.cli.output import console, facts_table, report_error, write_json
from mlx_gui.config import read_sources
from mlx_gui.service.description import Description, describe
from mlx_gui.service.errors import ServiceError
from mlx_gui.service.installing import (
    data_dir_of,
    install,
    restart,
    start,
    status,
    stop,
    system_here,
    uninstall,
)
from mlx_gui.service.system import ServiceStatus, ServiceSystem

Action = Literal["install", "uninstall", "start", "stop", "restart", "status", "logs"]
_INTERRUPTED = 130


def command(
    action: Annotated[Action, typer.Argument(metavar="ACTION", help="What to do.")],
    *,
    show: Annotated[
        bool, typer.Option("--print", help="With install: print the file, install nothing.")
    ] = False,
    lines: Annotated[
        int, typer.Option("--lines", "-n", min=1, max=100_000, help="With logs: so many.")
    ] = 100,
    follow: Annotated[
        bool, typer.Option("--follow", "-f", help="With logs: go on, until Ctrl-C.")
    ] = False,
    json: Json = False,
    data_dir: DataDir = None,
) -> None:
    """A service of this user: it starts at login, and anew a while after a failure.

    It keeps the settings that the environment has at its installation; those of config.toml and of
    the interface are read at each start. On Linux it is a user unit of systemd, on macOS an agent
    of launchd. `status` ends with exit code 1 when it does not run.
    """
    if show and action != "install":
        raise typer.BadParameter("--print goes with install.")
    try:
        system = system_here()
        match action:
            case "install":
                _install(system, describe(read_sources(flags={"data_dir": data_dir})), show=show)
            case "status":
                _status(status(system), json=json)
            case "logs":
                _logs(system.log_command(data_dir_of(system), lines=lines, follow=follow))
            case "uninstall":
                kept = data_dir_of(system)
                uninstall(system)
                console().print(f"The service is gone. Your data is still in {kept}.")
            case "start":
                start(system)
                console().print("The service is started.")
            case "stop":
                stop(system)
                console().print("The service has ended, until it is started or you log in anew.")
            case "restart":
                restart(system)
                console().print("The service is started anew.")
    except ServiceError as error:
        report_error(error.message, error.hint)
        raise typer.Exit(1) from None


def status_rows(found: ServiceStatus) -> list[tuple[str, str]]:
    """What a person wants to know first, by name."""
    if found.installed is None or (activity := found.activity) is None:
        return [("Service", "not installed; `mlx-gui service install` installs it")]
    runs = "runs" if activity.pid is None else f"runs, process {activity.pid}"
    rows = [
        ("Service", runs if activity.running else "does not run"),
        ("At login", "starts" if activity.at_login else "does not start"),
        ("Data", found.installed.data_dir),
        ("Program", found.installed.program + ("" if found.program_is_there else ", not there")),
        ("File", f"{found.file}, of {found.system}"),
    ]
    if activity.restarts:
        rows.append(("Restarts", str(activity.restarts)))
    if activity.trouble:
        rows.append(("Trouble", f"{activity.trouble} `mlx-gui service logs` says more."))
    return rows


def _install(system: ServiceSystem, description: Description, *, show: bool) -> None:
    for name in description.left_out:
        note = f"{name} is secret and stays out of the service; set it in the interface."
        console(stderr=True).print(note, style="dim")
    if show:
        print(system.render(description).decode(), end="")  # noqa: T201
        return
    install(system, description)
    console().print("The service is installed, has started, and starts when you log in.")
    if system.before_login:
        console().print(system.before_login)


def _status(found: ServiceStatus, *, json: bool) -> None:
    if json:
        write_json({**asdict(found), "file": str(found.file), "running": found.running})
    else:
        console().print(facts_table(status_rows(found)))
    if not found.running:
        raise typer.Exit(1)


def _logs(shown_by: list[str]) -> None:
    try:
        code = subprocess.run(shown_by).returncode
    except KeyboardInterrupt:
        raise typer.Exit(_INTERRUPTED) from None
    if code != 0:
        raise typer.Exit(1)
