"""`mlx-gui update`."""

from collections.abc import Mapping
from datetime import datetime
from typing import Annotated

import typer

from mlx_gui.cli.connection import find_server
from mlx_gui.cli.options import DataDir, Json
from mlx_gui.cli.output import console, write_json
from mlx_gui.client import ServerUnreachable
from mlx_gui.config import resolve
from mlx_gui.core.errors import MlxGuiError, Offline
from mlx_gui.core.installation import how_to_upgrade
from mlx_gui.version import __version__
from mlx_gui.wire.status import UpdateStatus

_ANSWER_S = 2.0


def command(
    *,
    check: Annotated[
        bool, typer.Option("--check", help="Ask the package index whether there is a newer one.")
    ] = False,
    json: Json = False,
    data_dir: DataDir = None,
) -> None:
    """Nothing is installed: it says what to do. The package index is asked with --check, by pip and
    as pip is set up here; else a server says what it was told, if check_updates has it ask.
    """
    found = _asked(data_dir) if check else _told(data_dir)
    found = {"installed": __version__, **found, "how": how_to_upgrade()}
    if json:
        write_json(found)
    else:
        _say(found)


def _asked(data_dir: str | None) -> dict[str, object]:
    """What the index says now. Raises Offline and FetchFailed."""
    if resolve(flags={"data_dir": data_dir}).offline:
        raise Offline("The package index is not asked: offline is set.")
    from mlx_gui.package_index import newest_version

    with console(stderr=True).status("Asking the package index"):
        newest = str(newest_version())
    return {"newest": newest, "newer": _is_newer(newest)}


def _told(data_dir: str | None) -> dict[str, object]:
    """What the index has said to the server of `data_dir`; nothing where that asks nobody."""
    update = _server_knows(data_dir)
    if update is None or update.asked_at is None:
        return {}
    told: dict[str, object] = {"asked_at": update.asked_at, "problem": update.problem}
    if update.newest is None:
        return told
    return {"newest": update.newest, "newer": _is_newer(update.newest), **told}


def _server_knows(data_dir: str | None) -> UpdateStatus | None:
    try:
        with find_server(None, data_dir, timeout_s=_ANSWER_S) as server:
            return server.system().update
    except (ServerUnreachable, MlxGuiError):
        return None


def _is_newer(version: str) -> bool:
    from packaging.version import Version

    return Version(version) > Version(__version__)


def _say(found: Mapping[str, object]) -> None:
    out = console()
    if "newest" not in found:
        out.print(f"This is mlx-gui {found['installed']}. A newer one comes by: {found['how']}")
        out.print("`mlx-gui update --check` asks the package index whether there is one.")
    elif found["newer"]:
        out.print(f"mlx-gui {found['newest']} is there; this is {found['installed']}.")
        out.print(f"It comes by: {found['how']}")
    else:
        out.print(f"This is mlx-gui {found['installed']}; the index has {found['newest']}.")
        out.print("There is nothing newer.")
    if "asked_at" in found:
        asked = datetime.fromisoformat(str(found["asked_at"])).astimezone()
        problem = f", in vain: {found['problem']}" if found["problem"] else "."
        out.print(f"The server asked the index on {asked:%Y-%m-%d at %H:%M}{problem}")
