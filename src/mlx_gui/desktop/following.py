"""What happens on the server, for as long as the tray is there, whatever becomes of the server."""

import threading
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path

import psutil

from mlx_gui.client import Client, Event, ServerUnreachable, read_runtime
from mlx_gui.core.errors import MlxGuiError
from mlx_gui.core.runtime import RUNTIME_FILE
from mlx_gui.desktop.view import View, gone, told, with_speed
from mlx_gui.wire.requests import RequestsEvent

Change = Callable[[Callable[[View], View]], None]
"""Has the view changed by a function of it, in one piece."""

_TOPICS = "models,memory,manager,downloads,settings,requests,metrics,notices"
_LOOK_AGAIN_S = 0.5
_SPEEDS = 20
"""So many of the last answers are looked at for how fast models are."""


def follow(data_dir: Path, change: Change, ended: threading.Event) -> None:
    """Returns once `ended`, but for a server that says nothing any more."""
    while not ended.is_set():
        try:
            with Client.from_runtime(data_dir) as client, client.events(_TOPICS) as events:
                change(partial(_found, address=client.address))
                for event in events:
                    change(partial(_told, event=event))
                    if isinstance(event, RequestsEvent):
                        _look_at_speeds(client, change)
                    if ended.is_set():
                        return
        except (ServerUnreachable, MlxGuiError):
            change(partial(_lost, left=_what_is_left(data_dir)))
        ended.wait(_LOOK_AGAIN_S)


def _what_is_left(data_dir: Path) -> str:
    """`nothing` of a server that has ended in order, a `corpse`, or one that still `lives`."""
    runtime = read_runtime(data_dir)
    if runtime is None:
        return "nothing"
    try:
        began_s = psutil.Process(runtime.pid).create_time()
        # One that began later than the server said so has only its number.
        return "lives" if began_s <= (data_dir / RUNTIME_FILE).stat().st_mtime else "corpse"
    except (OSError, psutil.Error):
        return "corpse"


def _found(view: View, *, address: str) -> View:
    return replace(view, phase="running", address=address, problem="")


def _told(view: View, *, event: Event) -> View:
    return told(view, event)


def _lost(view: View, *, left: str) -> View:
    if view.phase == "running" and left == "corpse":
        return gone(view, "The server has ended unexpectedly.")
    if view.phase in ("running", "stopping"):
        return replace(gone(view), phase="stopping") if left == "lives" else gone(view)
    return view


def _look_at_speeds(client: Client, change: Change) -> None:
    """Where the server is busier than that, the next event asks again."""
    for request in client.requests(limit=_SPEEDS).data:
        change(partial(with_speed, request=request))
