"""A desktop as a program finds it in its environment: clipboard and browser are files."""

import os
from pathlib import Path

from tests.support.nursery import Forked, forked

_COPIER = """#!/bin/sh
cat >"$COPIED"
"""
_VISITOR = """#!/bin/sh
echo "$1" >"$VISITED"
"""
_OF_OTHERS = ("WAYLAND_DISPLAY", "DISPLAY", "XDG_CONFIG_HOME", "DBUS_SESSION_BUS_ADDRESS")


def desk(folder: Path, **variables: str) -> dict[str, str]:
    """An environment whose home is `folder`, with `variables` besides."""
    programs = folder / "bin"
    programs.mkdir()
    for name, script in (("xclip", _COPIER), ("visitor", _VISITOR)):
        (programs / name).write_text(script)
        (programs / name).chmod(0o755)
    kept = {
        name: text
        for name, text in os.environ.items()
        if not name.startswith("MLX_GUI_") and name not in _OF_OTHERS
    }
    return kept | {
        "PATH": f"{programs}{os.pathsep}{os.environ['PATH']}",
        "HOME": str(folder),
        "BROWSER": str(programs / "visitor"),
        "COPIED": str(folder / "copied"),
        "VISITED": str(folder / "visited"),
        **variables,
    }


def begun(environment: dict[str, str], data_dir: Path) -> Forked:
    """A tray of `data_dir`; what it says lies beside that."""
    log = (data_dir.parent / "tray.out").open("wb")
    with log, Path(os.devnull).open("rb") as nothing:
        streams = [nothing.fileno(), log.fileno(), log.fileno()]
        asked = ["tray", "--data-dir", str(data_dir)]
        return forked(asked, environment=environment, descriptors=streams)
