"""What `mlx-gui doctor` looks at, and how; nothing here judges."""

import os
import platform
import shlex
import shutil
import socket
import sys
import tempfile
from pathlib import Path

import httpx
import psutil

from mlx_gui.cli.doctor_checks import Folder, Machine, PortUse
from mlx_gui.cli.version import installed_versions
from mlx_gui.client import Client, ServerUnreachable
from mlx_gui.config import Config
from mlx_gui.core.device import DeviceFacts
from mlx_gui.core.errors import MlxGuiError
from mlx_gui.core.mlx_library import mlx_library
from mlx_gui.service.errors import ServiceError
from mlx_gui.service.installing import status, system_here
from mlx_gui.service.system import ServiceStatus

HUB = "https://huggingface.co"
HUB_TIMEOUT_S = 4.0
SERVER_TIMEOUT_S = 2.0


def examine(config: Config) -> Machine:
    """The machine as it is now. Takes some seconds: MLX is started once, the hub asked once."""
    hub = os.environ.get("HF_ENDPOINT") or HUB
    return Machine(
        system=platform.system(),
        versions=installed_versions(),
        python=shlex.quote(sys.executable),
        library=mlx_library(),
        device=_device(config),
        available_bytes=psutil.virtual_memory().available,
        compiler=shutil.which("cc") or shutil.which("gcc") or shutil.which("clang"),
        data_dir=config.data_dir,
        data_dir_problem=_write_problem(config.data_dir),
        disk_free_bytes=shutil.disk_usage(_existing(config.data_dir)).free,
        address=f"{config.host}:{config.port}",
        port=_port_use(config),
        folders=tuple(_folder(path) for path in config.model_dirs),
        chosen_folders=config.sources["model_dirs"] != "default",
        offline=config.offline,
        hub=hub,
        hub_problem=None if config.offline else _hub_problem(hub),
        service=_service(),
    )


def _device(config: Config) -> DeviceFacts | str:
    from mlx_gui.serve import probe_device

    try:
        return probe_device(config)
    except (MlxGuiError, OSError) as error:
        return str(error)


def _service() -> ServiceStatus | str:
    try:
        return status(system_here())
    except ServiceError as error:
        return error.message


def _existing(folder: Path) -> Path:
    return next(path for path in (folder, *folder.parents) if path.exists())


def _write_problem(folder: Path) -> str | None:
    """Why a file cannot be made in `folder`, or in what it would be made in."""
    try:
        with tempfile.TemporaryFile(dir=_existing(folder)):
            return None
    except OSError as error:
        return error.strerror


def _port_use(config: Config) -> PortUse:
    if config.port == 0:
        return "any"
    if _is_ours(config):
        return "ours"
    try:
        with socket.create_server((config.host, config.port)):
            return "free"
    except OSError:
        return "taken"


def _is_ours(config: Config) -> bool:
    try:
        with Client.from_runtime(config.data_dir, timeout_s=SERVER_TIMEOUT_S) as client:
            client.health()
            return httpx.URL(client.address).port == config.port
    except (ServerUnreachable, MlxGuiError):
        return False


def _folder(path: Path) -> Folder:
    try:
        os.scandir(path).close()
    except FileNotFoundError:
        return Folder(path, exists=False, problem=None)
    except OSError as error:
        return Folder(path, exists=True, problem=error.strerror)
    return Folder(path, exists=True, problem=None)


def _hub_problem(hub: str) -> str | None:
    try:
        httpx.head(hub, timeout=HUB_TIMEOUT_S, follow_redirects=False)
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        return str(error) or type(error).__name__
    return None
