"""The settings of this server as they are now: their one owner."""

from collections.abc import Callable
from typing import Generic, TypeVar

from mlx_gui.config import Config, SettingSources

T = TypeVar("T")


class ServerSettings:
    """Holds the present Config. Whoever reads a setting asks each time, and keeps no copy."""

    def __init__(self, sources: SettingSources, overrides: dict[str, object]) -> None:
        self._config = sources.config(overrides)

    @property
    def config(self) -> Config:
        """What holds now."""
        return self._config

    def view(self, make: Callable[[Config], T]) -> Callable[[], T]:
        """What `make` finds in the settings of now: all that one part has to know of them."""
        return _View(self, make)


class _View(Generic[T]):
    """Makes its value anew when there is another Config, and no sooner."""

    def __init__(self, settings: ServerSettings, make: Callable[[Config], T]) -> None:
        self._settings = settings
        self._make = make
        self._config = settings.config
        self._made = make(self._config)

    def __call__(self) -> T:
        if self._config is not self._settings.config:
            self._config = self._settings.config
            self._made = self._make(self._config)
        return self._made
