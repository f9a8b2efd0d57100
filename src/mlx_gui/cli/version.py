"""`mlx-gui version`."""

import platform
from importlib.metadata import PackageNotFoundError, version

from mlx_gui.cli.options import Json
from mlx_gui.cli.output import console, facts_table, write_json
from mlx_gui.version import __version__

LIBRARIES = ("mlx", "mlx-lm", "transformers")


def command(*, json: Json = False) -> None:
    versions = installed_versions()
    if json:
        write_json(versions)
    else:
        console().print(facts_table([(name, text or "missing") for name, text in versions.items()]))


def installed_versions() -> dict[str, str | None]:
    """Versions by name, read without importing anything; None for what is not installed."""
    versions: dict[str, str | None] = {
        "mlx-gui": __version__,
        "python": platform.python_version(),
        "system": f"{platform.system()} {platform.machine()}",
    }
    for name in LIBRARIES:
        try:
            versions[name] = version(name)
        except PackageNotFoundError:
            versions[name] = None
    return versions
