"""What the entries of the menu do."""

import subprocess
import sys
import webbrowser
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path

import psutil

from mlx_gui.client import Client, ServerUnreachable, read_runtime, serving
from mlx_gui.config import SettingSources
from mlx_gui.core.errors import Conflict
from mlx_gui.desktop.copying import copy
from mlx_gui.desktop.following import Change
from mlx_gui.desktop.menu_model import Action, Verb
from mlx_gui.desktop.own_server import OwnServer
from mlx_gui.desktop.view import Keeper, View
from mlx_gui.logging import LOGS_FOLDER
from mlx_gui.service import installing
from mlx_gui.service.description import describe
from mlx_gui.service.errors import ServiceError
from mlx_gui.service.system import ServiceStatus, ServiceSystem


class Acting:
    """Everything that somebody can choose; all of it may take as long as the server does.

    Raises what client and service raise, OSError and CannotCopy, all with a sentence.
    """

    def __init__(
        self, sources: SettingSources, own: OwnServer, change: Change, end: Callable[[], None]
    ) -> None:
        self._sources = sources
        self._data_dir = sources.data_dir
        self._own = own
        self._change = change
        self._end = end
        self._asked: Mapping[Verb, Callable[[Client, str], object]] = {
            "open": lambda client, page: webbrowser.open(f"{client.address}/admin/{page}"),
            "load": lambda client, model: client.load(model),
            "unload": lambda client, model: client.unload(model, when_idle=True),
            "unload_all": lambda client, _: client.unload_all(when_idle=True),
            "pin": lambda client, model: client.change_model_settings(model, {"pinned": True}),
            "unpin": lambda client, model: client.change_model_settings(model, {"pinned": None}),
            "pause": lambda client, download: client.pause_download(download),
            "resume": lambda client, download: client.resume_download(download),
            "cancel": lambda client, download: client.cancel_download(download),
            "notify": lambda client, name: client.change_settings({name: True}),
            "mute": lambda client, name: client.change_settings({name: False}),
        }
        self._done: Mapping[Verb, Callable[[], None]] = {
            "start": self.start,
            "stop": self._stop,
            "restart": self._restart,
            "login": self._at_login,
            "no_login": self._not_at_login,
            "logs": self._open_logs,
            "quit": self._quit,
            "quit_all": self._quit_all,
            "quit_own": self._quit_own,
        }

    def act(self, action: Action) -> None:
        if action.verb == "copy":
            copy(action.of)
        elif (asked := self._asked.get(action.verb)) is not None:
            with Client.from_runtime(self._data_dir) as client:
                asked(client, action.of)
        else:
            self._done[action.verb]()

    def start(self) -> None:
        """A server, by the service if there is one, else as a child."""
        if serving(self._data_dir):
            return
        if self.look_at_service():
            installing.start(installing.system_here())
        else:
            self._own.begin()

    def look_at_service(self) -> bool:
        """Whether the service of this user keeps this data directory; the view gets to know."""
        try:
            system = installing.system_here()
            found = installing.status(system)
            if found.installed is None:
                system.check()
        except ServiceError:
            self._change(lambda view: replace(view, starts_at_login=None))
            return False
        ours = _keeps(found, self._data_dir)
        at_login = ours and found.activity is not None and found.activity.at_login
        keeper: Keeper = "service" if ours else "other"
        if self._own.runs:
            keeper = "tray"
        logs = (self._data_dir / LOGS_FOLDER).is_dir()
        self._change(
            lambda view: replace(view, starts_at_login=at_login, keeper=keeper, logs_there=logs)
        )
        return ours

    def _stop(self) -> None:
        self._change(_ending)
        if self._own.runs:
            self._own.end()
        elif (system := self._service()) is not None:
            installing.stop(system)
        else:
            _end_other(self._data_dir)

    def _restart(self) -> None:
        if not self._own.runs and (system := self._service()) is not None:
            self._change(_ending)
            installing.restart(system)
            return
        self._stop()
        self.start()

    def _at_login(self) -> None:
        """The service runs its own server, so one that runs ends first."""
        description = describe(self._sources)
        system = installing.system_here()
        system.check()
        if serving(self._data_dir):
            self._stop()
        try:
            installing.install(system, description)
        finally:
            self.start()

    def _not_at_login(self) -> None:
        system = installing.system_here()
        self._change(_ending)
        installing.uninstall(system)
        self.start()

    def _open_logs(self) -> None:
        program = "open" if sys.platform == "darwin" else "xdg-open"
        subprocess.Popen(
            [program, str(self._data_dir / LOGS_FOLDER)],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )

    def _quit(self) -> None:
        self._own.leave()
        self._end()

    def _quit_all(self) -> None:
        self._stop()
        self._end()

    def _quit_own(self) -> None:
        self._own.end()
        self._end()

    def _service(self) -> ServiceSystem | None:
        return installing.system_here() if self.look_at_service() else None


def _keeps(found: ServiceStatus, data_dir: Path) -> bool:
    installed = found.installed
    return installed is not None and installed.ours and Path(installed.data_dir) == data_dir


def _ending(view: View) -> View:
    return replace(view, phase="stopping", problem="") if view.phase == "running" else view


def _end_other(data_dir: Path) -> None:
    """One that somebody else has started: asked who it is, then ended as by Ctrl-C."""
    try:
        with Client.from_runtime(data_dir) as client:
            pid = client.system().server.pid
    except ServerUnreachable:
        return
    left = read_runtime(data_dir)
    if left is None or left.pid != pid:
        raise Conflict("Another server has begun on this data directory.", hint="Try it again.")
    try:
        process = psutil.Process(pid)
        process.terminate()
        process.wait()
    except psutil.NoSuchProcess:
        return
    except psutil.AccessDenied:
        raise Conflict(f"The server is another user's process ({pid}).") from None
