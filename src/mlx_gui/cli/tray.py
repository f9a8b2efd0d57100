"""`mlx-gui tray`."""

import typer

from mlx_gui.cli.options import DataDir
from mlx_gui.cli.output import report_error
from mlx_gui.config import read_sources
from mlx_gui.desktop.errors import NoTray
from mlx_gui.desktop.faces.choosing import face_here
from mlx_gui.desktop.tray import Tray, only_tray


def command(*, data_dir: DataDir = None) -> None:
    """An icon with a menu: what is in memory, load and unload, downloads, start and stop.

    It joins the server of the data directory, or starts one: by the service where that is
    installed, else as a child that ends with it by Ctrl-C. It needs the extra `tray`.
    """
    sources = read_sources(flags={"data_dir": data_dir})
    try:
        face = face_here()
        with only_tray(sources.data_dir):
            Tray(sources, face).run()
    except NoTray as error:
        report_error(error.message, error.hint)
        raise typer.Exit(1) from None
