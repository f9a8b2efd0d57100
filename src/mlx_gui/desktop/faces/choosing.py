"""Which face there is on this desktop."""

import os
import sys
from importlib.util import find_spec

from mlx_gui.desktop.errors import NoTray
from mlx_gui.desktop.faces.face import Face

EXTRA_HINT = "Install it with the extra: pip install 'mlx-gui[tray]'"


def face_here() -> Face:
    """Raises NoTray, with a sentence, where there can be none."""
    needed = ["pystray"] if sys.platform == "darwin" else ["dbus_fast", "pystray"]
    if missing := [name for name in needed if find_spec(name) is None]:
        raise NoTray(f"The tray needs {' and '.join(missing)}.", hint=EXTRA_HINT)
    if sys.platform == "darwin":
        from mlx_gui.desktop.faces.pystray_face import PystrayFace

        return PystrayFace()
    from mlx_gui.desktop.faces.status_notifier import StatusNotifierFace, host_problem

    problem = host_problem()
    if problem == "":
        return StatusNotifierFace()
    from mlx_gui.desktop.faces.x11 import x11_problem

    x_problem = x11_problem(os.environ.get("DISPLAY", ""))
    if x_problem == "":
        from mlx_gui.desktop.faces.pystray_face import PystrayFace

        return PystrayFace()
    raise NoTray(
        f"No place for a tray was found: {problem}, and {x_problem}.",
        hint="GNOME has one by the extension AppIndicator. The interface does all of it too.",
    )
