"""What a service starts, and with which environment: no system of services is named here."""

import os
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from mlx_gui.config import SettingSources
from mlx_gui.core.program import own_command
from mlx_gui.core.setting_row import ENVIRONMENT_PREFIX
from mlx_gui.server_settings import ROWS, SERVER_SETTINGS
from mlx_gui.service.errors import ServiceError

STOP_MARGIN_S = 30
"""Beyond the grace for running answers: workers, connections and databases end too."""

_FOLDERS = ("HF_HOME", "HF_HUB_CACHE", "XDG_CACHE_HOME", "SSL_CERT_FILE", "SSL_CERT_DIR")
_PLAIN = (
    "PATH", "LANG", "HF_ENDPOINT",
    "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY",
    "http_proxy", "https_proxy", "all_proxy", "no_proxy",
)  # fmt: skip
_SECRETS = ("HF_TOKEN", *(row.environment_name for row in SERVER_SETTINGS if row.secret))
_TEMPORARY = ("archive-v0", "environments-v2")
"""Folders of uv's cache in which `uvx` makes what it runs, and which uv clears."""


@dataclass(frozen=True, slots=True)
class Description:
    """A service to be. `stop_timeout_s` is how long it may take to end in order.

    `left_out` names variables that are set here and not for it, for they are secret.
    """

    program: tuple[str, ...]
    environment: Mapping[str, str]
    data_dir: Path
    stop_timeout_s: int
    left_out: tuple[str, ...]


def describe(sources: SettingSources) -> Description:
    """The server as it would be started here and now, for the start that nobody sees.

    Raises ServiceError for what no service could start.
    """
    variables = sources.variables
    config = sources.config({})
    carried = {
        name: variables[name]
        for name in (*_PLAIN, *(row.environment_name for row in SERVER_SETTINGS))
        if variables.get(name) and name not in _SECRETS
    }
    carried |= {
        name: os.path.abspath(Path(variables[name]).expanduser())
        for name in _FOLDERS
        if variables.get(name)
    }
    # The service starts in another folder than this command.
    if (name := ROWS["model_dirs"].environment_name) in carried:
        carried[name] = ROWS["model_dirs"].separator.join(map(str, config.model_dirs))
    carried[ROWS["data_dir"].environment_name] = str(sources.data_dir)
    program = _program()
    for name, text in [*carried.items(), *(("The path of this program", each) for each in program)]:
        _check_text(name, text)
    return Description(
        program=program,
        environment=dict(sorted(carried.items())),
        data_dir=sources.data_dir,
        stop_timeout_s=round(config.shutdown_grace_s) + STOP_MARGIN_S,
        left_out=tuple(name for name in _SECRETS if variables.get(name)),
    )


def _program() -> tuple[str, ...]:
    if any(part in _TEMPORARY for part in Path(sys.executable).parts):
        raise ServiceError(
            "This mlx-gui lies in an environment of uvx, which is cleared one day.",
            hint="Install it to stay: uv tool install mlx-gui",
        )
    return tuple(own_command("start"))


def _check_text(name: str, text: str) -> None:
    try:
        text.encode()
    except UnicodeEncodeError:
        raise ServiceError(f"{name} is not valid UTF-8, which the file of a service is.") from None
    if not text.isprintable():
        raise ServiceError(
            f"{name} has characters that cannot stand in the file of a service: {text!r}.",
            hint=f"Unset it, or set it without them. Settings begin with {ENVIRONMENT_PREFIX}.",
        )
