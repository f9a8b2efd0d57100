"""`mlx-gui update`."""

import json
import shlex
import sys
from collections.abc import Mapping
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path
from typing import Annotated

import typer

from mlx_gui.cli.options import DataDir, Json
from mlx_gui.cli.output import console, write_json
from mlx_gui.config import resolve
from mlx_gui.core.errors import Offline
from mlx_gui.core.program import is_standalone
from mlx_gui.version import __version__

_PACKAGE = "mlx-gui"


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
    how = upgrade_command(_installed_by(), prefix=Path(sys.prefix))
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


def upgrade_command(installed_by: str, *, prefix: Path) -> str:
    """What brings a newer version into the environment `prefix`, as it was made.

    `installed_by` is a word of `_installed_by`.
    """
    if installed_by == "bundle":
        return "Put the new application in the place of this one."
    if installed_by == "clone":
        return "git pull && make run"
    if "Cellar" in prefix.parts:
        return f"brew upgrade {_PACKAGE}"
    if (prefix / "uv-receipt.toml").exists():
        return f"uv tool upgrade {_PACKAGE}"
    if (prefix / "pipx_metadata.json").exists():
        return f"pipx upgrade {_PACKAGE}"
    if "archive-v0" in prefix.parts:
        return f"uvx {_PACKAGE}@latest"
    python = shlex.quote(str(prefix / "bin" / "python"))
    if installed_by == "uv":
        return f"uv pip install --python {python} --upgrade {_PACKAGE}"
    return f"{python} -m pip install --upgrade {_PACKAGE}"


def _installed_by() -> str:
    """`bundle`, `clone`, or the installer's own word, like `pip` or `uv`."""
    if is_standalone():
        return "bundle"
    try:
        here = distribution(_PACKAGE)
    except PackageNotFoundError:
        return "clone"
    origin = json.loads(here.read_text("direct_url.json") or "{}")
    if origin.get("dir_info", {}).get("editable"):
        return "clone"
    return (here.read_text("INSTALLER") or "pip").strip()


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
