"""What a system of services is to the rest of the program."""

from dataclasses import dataclass
from pathlib import Path
from typing import Literal, Protocol

from mlx_gui.service.description import Description

MARK = "Written by `mlx-gui service install`; `mlx-gui service uninstall` removes it."


@dataclass(frozen=True, slots=True)
class Installed:
    """What the file of a service says. `ours` is False for one that somebody else wrote."""

    program: str
    data_dir: str
    ours: bool


@dataclass(frozen=True, slots=True)
class Activity:
    """What the system says of the service now. `trouble` is a sentence, empty if there is none."""

    running: bool
    pid: int | None = None
    at_login: bool = False
    restarts: int | None = None
    trouble: str = ""


@dataclass(frozen=True, slots=True)
class ServiceStatus:
    """`installed` is None where there is no service, `activity` too then.

    `program_is_there` says whether what the service starts lies where it did.
    """

    system: str
    file: Path
    installed: Installed | None
    activity: Activity | None
    program_is_there: bool = True

    @property
    def running(self) -> bool:
        return self.activity is not None and self.activity.running


class ServiceSystem(Protocol):
    """systemd or launchd, for the one service of one user. All methods may raise ServiceError."""

    @property
    def name(self) -> Literal["systemd", "launchd"]: ...

    @property
    def file(self) -> Path: ...

    @property
    def before_login(self) -> str:
        """What makes it start before its user logs in; empty where nothing does."""
        ...

    def render(self, description: Description) -> bytes:
        """The content of `file`."""
        ...

    def read(self, content: bytes) -> Installed:
        """What `render` has written."""
        ...

    def check(self) -> None:
        """Raises ServiceError where this system runs no services for this user."""
        ...

    def register(self) -> None:
        """Have what lies in `file` started now and at each login."""
        ...

    def unregister(self) -> None:
        """Have it stopped and forgotten, whether it was registered or not."""
        ...

    def activity(self) -> Activity: ...

    def start(self) -> None: ...

    def stop(self) -> None:
        """Returns when it has ended: running answers get their time."""
        ...

    def restart(self) -> None: ...

    def clean(self) -> None:
        """Remove what the system has made beside `file`."""
        ...

    def log_command(self, data_dir: Path, *, lines: int, follow: bool) -> list[str]:
        """What prints the last lines of the log of a service on `data_dir`."""
        ...
