"""How this mlx-gui was installed, and so how a newer version comes."""

import json
import shlex
import sys
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path

from mlx_gui.core.program import is_standalone

_PACKAGE = "mlx-gui"


def how_to_upgrade() -> str:
    """What brings a newer version here: a command, or a sentence."""
    return upgrade_command(_installed_by(), prefix=Path(sys.prefix))


def upgrade_command(installed_by: str, *, prefix: Path) -> str:
    """What brings a newer version into the environment `prefix`, as it was made.

    `installed_by` is a word of `_installed_by`. For the standalone app it is a sentence.
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
