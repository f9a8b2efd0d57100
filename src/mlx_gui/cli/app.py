"""`mlx-gui app`."""

import os
import sys
from typing import Annotated

import typer

from mlx_gui.cli.options import DataDir
from mlx_gui.cli.output import report_error
from mlx_gui.config import read_sources
from mlx_gui.desktop.displays import display_problem
from mlx_gui.desktop.errors import BadLink, NoWindow
from mlx_gui.desktop.handing_over import hand_over
from mlx_gui.desktop.links import page_of
from mlx_gui.desktop.only_one import only_one

_WRONG_USAGE = 2


def command(
    link: Annotated[
        str, typer.Argument(help="Where to begin, like mlx-gui://models/install/org/name.")
    ] = "",
    *,
    tray: Annotated[
        bool, typer.Option("--tray/--no-tray", help="Show the tray too, where it has a place.")
    ] = True,
    data_dir: DataDir = None,
) -> None:
    """The interface in a window of its own.

    It joins the server of the data directory, or starts one: by the tray, by the service where that
    is installed, else as a child that ends with the window. A second start brings the window to the
    front. A link shows a page and does nothing there. It needs the extra `app`.
    """
    sources = read_sources(flags={"data_dir": data_dir})
    try:
        page = page_of(link) if link else ""
        if sys.platform != "darwin" and (problem := display_problem(os.environ)):
            raise NoWindow(problem, hint="`mlx-gui start --open` opens it in a browser.")
        from mlx_gui.desktop.window import LOCK_FILE, Window

        with only_one(sources.data_dir / LOCK_FILE, fault=NoWindow) as alone:
            if not alone:
                hand_over(sources.data_dir, link)
                return
            from mlx_gui.desktop.pywebview_pane import pane_here

            pane = pane_here(sources.data_dir)
            Window(sources, pane, page=page, with_tray=tray).run()
    except BadLink as error:
        report_error(error.message, error.hint)
        raise typer.Exit(_WRONG_USAGE) from None
    except NoWindow as error:
        report_error(error.message, error.hint)
        raise typer.Exit(1) from None
