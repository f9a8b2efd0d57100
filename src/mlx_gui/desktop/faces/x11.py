"""Whether an X display has a place for icons of the old kind."""

from importlib import import_module
from typing import Any


def x11_problem(display: str) -> str:
    """Why not, as the end of a sentence; empty where it has one."""
    if not display:
        return "there is no X display"
    library: Any = import_module("Xlib.display")
    errors: Any = import_module("Xlib.error")
    try:
        connection = library.Display(display)
    except (errors.DisplayError, OSError):
        return f"the X display {display} does not answer"
    try:
        selection = connection.intern_atom(f"_NET_SYSTEM_TRAY_S{connection.get_default_screen()}")
        if connection.get_selection_owner(selection):
            return ""
        return f"the X display {display} has no system tray"
    finally:
        connection.close()
