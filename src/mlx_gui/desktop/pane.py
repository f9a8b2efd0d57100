"""What shows pages in a window of the desktop, whichever that is."""

from collections.abc import Callable
from typing import Protocol

from mlx_gui.desktop.place import Place

TITLE = "mlx-gui"


class Pane(Protocol):
    """One window. All but `run` may be called from any thread, once it has begun."""

    def run(self, place: Place, begun: Callable[[], None]) -> Place:
        """Show it until it is closed, in the main thread; where it was at last. Raises NoWindow."""
        ...

    def open(self, address: str) -> None:
        """Show the page there. Links to another server open in the browser."""
        ...

    def say(self, text: str) -> None:
        """Show a sentence instead of a page."""
        ...

    def to_front(self) -> None: ...

    def close(self) -> None: ...
