"""What keeps a service from being installed, asked or removed."""


class ServiceError(Exception):
    """One sentence with the values; `hint` says what to do."""

    def __init__(self, message: str, *, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint
