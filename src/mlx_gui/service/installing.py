"""Installing, removing and looking at the one service of this user, on either system."""

import os
import sys
from pathlib import Path

from mlx_gui.client import serving
from mlx_gui.service import files
from mlx_gui.service.description import Description
from mlx_gui.service.errors import ServiceError
from mlx_gui.service.launchd import Launchd
from mlx_gui.service.system import Installed, ServiceStatus, ServiceSystem
from mlx_gui.service.systemd import Systemd

_REMOVE = "mlx-gui service uninstall"


def system_here() -> ServiceSystem:
    """What keeps services on this machine. Raises ServiceError."""
    try:
        home = Path.home()
    except RuntimeError as error:
        raise ServiceError(f"The home of this user cannot be found: {error}") from None
    return Launchd(home) if sys.platform == "darwin" else Systemd(home)


def install(system: ServiceSystem, description: Description) -> None:
    """A service that runs and is there after each login, or nothing.

    Raises ServiceError: then nothing has changed.
    """
    _check_user(description.data_dir)
    system.check()
    _check_free(system, description.data_dir)
    files.write_whole(system.file, system.render(description))
    try:
        system.register()
    except ServiceError:
        _take_back(system)
        raise


def uninstall(system: ServiceSystem) -> None:
    """No service, no file, nothing that runs. Raises ServiceError."""
    installed = _installed(system)
    if not installed.ours:
        raise ServiceError(
            f"{system.file} was not written by mlx-gui service install.",
            hint="Remove it as it was made.",
        )
    system.check()
    system.unregister()
    _remove_file(system)


def status(system: ServiceSystem) -> ServiceStatus:
    """What there is, and what it does. Raises ServiceError."""
    content = files.read(system.file)
    if content is None:
        return ServiceStatus(system.name, system.file, None, None)
    system.check()
    installed = system.read(content)
    return ServiceStatus(
        system.name,
        system.file,
        installed,
        system.activity(),
        program_is_there=Path(installed.program).exists(),
    )


def start(system: ServiceSystem) -> None:
    """Raises ServiceError, also where there is no service."""
    _installed(system)
    system.check()
    system.start()


def stop(system: ServiceSystem) -> None:
    """The same, until the next login or start; running answers get their time."""
    _installed(system)
    system.check()
    system.stop()


def restart(system: ServiceSystem) -> None:
    """The same, with what is installed now; running answers get their time."""
    _installed(system)
    system.check()
    system.restart()


def data_dir_of(system: ServiceSystem) -> Path:
    """Where the installed service keeps its data. Raises ServiceError."""
    return Path(_installed(system).data_dir)


def _installed(system: ServiceSystem) -> Installed:
    content = files.read(system.file)
    if content is None:
        raise ServiceError("No service is installed.", hint="Install it: mlx-gui service install")
    return system.read(content)


def _check_user(data_dir: Path) -> None:
    """Whose service it would be: whoever uses `sudo` means himself and gets root's."""
    behind = os.environ.get("SUDO_USER", "root")
    if os.geteuid() == 0 and behind != "root":
        raise ServiceError(
            f"The service would be that of root, not of {behind}.", hint="Do it without sudo."
        )
    for folder in (Path.home(), data_dir):
        if folder.exists() and (owner := folder.stat().st_uid) != os.geteuid():
            raise ServiceError(
                f"{folder} belongs to another user (id {owner}, you are {os.geteuid()}).",
                hint="Install the service as that user, or with another --data-dir.",
            )


def _check_free(system: ServiceSystem, data_dir: Path) -> None:
    content = files.read(system.file)
    if content is not None:
        there = system.read(content)
        what = f"The service is installed already, on {there.data_dir}."
        if not there.ours:
            what = f"{system.file} is there already, and not by mlx-gui service install."
        raise ServiceError(what, hint=f"To install it anew: {_REMOVE}" if there.ours else "")
    if (runtime := serving(data_dir)) is not None:
        raise ServiceError(
            f"A server runs on {data_dir} already: {runtime.address}, process {runtime.pid}.",
            hint="End it first; the service starts one of its own.",
        )


def _take_back(system: ServiceSystem) -> None:
    """What was begun; the reason why it did not end well is told by whoever calls."""
    try:
        system.unregister()
    except ServiceError:
        pass
    finally:
        _remove_file(system)


def _remove_file(system: ServiceSystem) -> None:
    files.remove(system.file, home=Path.home())
    system.clean()
