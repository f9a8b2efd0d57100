"""What keeps a tray or a window from being there."""


class NotHere(Exception):
    """One sentence with the reason; `hint` says what to do."""

    def __init__(self, message: str, *, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint


class NoTray(NotHere):
    """There is no icon."""


class NoWindow(NotHere):
    """There is no window."""


class BadLink(NotHere):
    """A link that the window does not follow."""
