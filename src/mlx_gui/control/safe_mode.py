"""Safe mode: after the server itself has died twice, it loads nothing that nobody asks for."""

from collections.abc import Callable
from dataclasses import dataclass

UNCLEAN_EXITS_UNTIL_SAFE = 2


@dataclass(slots=True)
class SafeMode:
    """Its one owner. `unclean_exits` in a row came before this run; `forgive` has them forgotten.

    A model that is loaded with the server may be what brings it down, or the machine.
    """

    unclean_exits: int
    forgive: Callable[[], None]

    @property
    def active(self) -> bool:
        """Whether the server must not load anything by itself."""
        return self.unclean_exits >= UNCLEAN_EXITS_UNTIL_SAFE

    @property
    def reason(self) -> str | None:
        """The sentence that says why; None while it is not active."""
        if not self.active:
            return None
        return (
            f"The server did not end cleanly {self.unclean_exits} times in a row, so no model was "
            "loaded at its start."
        )

    def leave(self) -> None:
        """Out of safe mode, and no earlier run counts any more. Writes a file."""
        self.forgive()
        self.unclean_exits = 0
