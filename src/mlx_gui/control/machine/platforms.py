"""The one place that chooses between platforms."""

import platform

from mlx_gui.control.machine.linux import LinuxReader
from mlx_gui.control.machine.macos import MacReader
from mlx_gui.control.machine.reading import MachineReader


def on_macos() -> bool:
    """Asked at run time, so that the code of both platforms is type-checked on either."""
    return platform.system() == "Darwin"


def machine_reader() -> MachineReader:
    """The reader of this machine."""
    return MacReader() if on_macos() else LinuxReader()
