"""What keeps a tray from being there."""


class NoTray(Exception):
    """One sentence with the reason; `hint` says what to do."""

    def __init__(self, message: str, *, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint
