"""What draws the tray, whichever desktop it is."""

from collections.abc import Callable
from typing import Protocol

from mlx_gui.desktop.menu_model import Action, Look
from mlx_gui.desktop.notices import Notice

NAME = "mlx-gui"


class Face(Protocol):
    """One icon with its menu. All but `run` may be called from any thread."""

    def run(self, begun: Callable[[], None], chosen: Callable[[Action], None]) -> None:
        """Draw until `end`, in the main thread; `begun` is called once it can be seen.

        `chosen` is told what somebody chooses and must not block. Raises NoTray.
        """
        ...

    def show(self, look: Look) -> None: ...

    def notify(self, notice: Notice) -> None: ...

    def end(self) -> None: ...
