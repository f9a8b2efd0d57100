"""`mlx-gui update`."""

from collections.abc import Mapping
from typing import Annotated

import typer

from mlx_gui.cli.options import DataDir, Json
from mlx_gui.cli.output import console, write_json
from mlx_gui.config import resolve
from mlx_gui.core.errors import Offline
from mlx_gui.core.installation import how_to_upgrade
from mlx_gui.version import __version__


def command(
    *,
    check: Annotated[
        bool, typer.Option("--check", help="Ask the package index whether there is a newer one.")
    ] = False,
    json: Json = False,
    data_dir: DataDir = None,
) -> None:
    """Nothing is installed: it says what to do. The package index is asked with --check only, by
    pip and as pip is set up here.
    """
    how = how_to_upgrade()
    if not check:
        _say({"installed": __version__, "how": how}, json=json)
        return
    if resolve(flags={"data_dir": data_dir}).offline:
        raise Offline("The package index is not asked: offline is set.")
    from packaging.version import Version

    from mlx_gui.package_index import newest_version

    with console(stderr=True).status("Asking the package index"):
        newest = newest_version()
    newer = newest > Version(__version__)
    found = {"installed": __version__, "newest": str(newest), "newer": newer, "how": how}
    _say(found, json=json)


def _say(found: Mapping[str, object], *, json: bool) -> None:
    if json:
        write_json(found)
        return
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
