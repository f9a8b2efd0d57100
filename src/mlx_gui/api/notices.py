"""What the headers of an answer say of its request: what of it was not taken as it came."""

from collections.abc import AsyncGenerator, Iterable
from contextlib import aclosing
from urllib.parse import quote

from mlx_gui.core.generation import Event, Prepared

LEFT_OUT_HEADER = "x-mlx-gui-left-out"
NOT_ENFORCED_HEADER = "x-mlx-gui-not-enforced"
SCALED_DOWN_HEADER = "x-mlx-gui-scaled-down"
MOVED_HEADER = "x-mlx-gui-moved"
TRANSCRIBED_HEADER = "x-mlx-gui-transcribed"
MAX_CHARACTERS = 1000
"""Of one header; what is more is counted."""
MAX_LISTED = 100

_READABLE = "/#[]{}()<>:;=@!$&'*+?~^|. "


class Notices:
    """The notices of one request, by header and in the order in which they came, each once.

    They go out with the status line: what comes after that is in the log only.
    """

    def __init__(self) -> None:
        self._by_header: dict[str, dict[str, None]] = {}

    def leave_out(self, names: Iterable[str]) -> None:
        """Parts of the request that the answer does without, like a tool that is not here."""
        self._note(LEFT_OUT_HEADER, names)

    def not_enforced(self, places: Iterable[str]) -> None:
        """Keywords of a schema that the answer may break, by their places (`#/…/uniqueItems`)."""
        self._note(NOT_ENFORCED_HEADER, places)

    def scaled_down(self, pictures: Iterable[str]) -> None:
        """Pictures that have lost pixels, in words: where they stand, and both sizes."""
        self._note(SCALED_DOWN_HEADER, pictures)

    def moved(self, pictures: Iterable[str]) -> None:
        """Pictures of the system's that are in the user's next message, by where they stand."""
        self._note(MOVED_HEADER, pictures)

    def transcribed(self, sounds: Iterable[str]) -> None:
        """Sounds that were written down first, in words: where they stand, and by which model."""
        self._note(TRANSCRIBED_HEADER, sounds)

    def left_out(self) -> list[str]:
        """The names of what was left out so far, as many and as long as a body should have."""
        names = list(self._by_header.get(LEFT_OUT_HEADER, ()))
        return [name[:MAX_CHARACTERS] for name in names[:MAX_LISTED]]

    async def watch(self, events: AsyncGenerator[Event]) -> AsyncGenerator[Event]:
        """`events`, of which the notices are taken."""
        async with aclosing(events):
            async for event in events:
                if isinstance(event, Prepared):
                    self.not_enforced(event.not_enforced)
                    self.leave_out(event.left_out)
                    self.scaled_down(event.scaled_down)
                    self.moved(event.moved)
                yield event

    def headers(self) -> dict[str, str]:
        """What is to be sent: lists with commas, everything but plain ASCII percent-encoded."""
        return {header: _listed(values) for header, values in self._by_header.items()}

    def _note(self, header: str, values: Iterable[str]) -> None:
        for value in values:
            self._by_header.setdefault(header, {})[value] = None


def _listed(values: Iterable[str]) -> str:
    """As many of the values as a header should have, and how many more there are."""
    listed: list[str] = []
    left = MAX_CHARACTERS
    encoded = [quote(value[:MAX_CHARACTERS], safe=_READABLE, errors="replace") for value in values]
    for value in encoded:
        left -= len(value) + len(", ")
        if left < 0:
            break
        listed.append(value)
    more = len(encoded) - len(listed)
    return ", ".join([*listed, f"and {more} more"] if more else listed)
