"""All that the tray knows, and what an event makes of it."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import Literal, TypeVar

from mlx_gui.client import Event
from mlx_gui.wire.downloads import DownloadBody, RemovedDownload
from mlx_gui.wire.history import MetricsEvent
from mlx_gui.wire.models import ModelObject
from mlx_gui.wire.notices import NoticeBody, RemovedNotice
from mlx_gui.wire.requests import RequestObject
from mlx_gui.wire.server_settings import ServerSettingsBody
from mlx_gui.wire.status import ManagerStatus, MemoryStatus, RemovedModel, SnapshotEvent

Phase = Literal["stopped", "starting", "running", "stopping"]
Keeper = Literal["tray", "service", "other"]
"""Who has started the server and would start it again: this tray, the system, somebody."""

Body = TypeVar("Body", ModelObject, DownloadBody, NoticeBody)

ENDED = ("done", "failed", "cancelled")
"""States of a download that comes to nothing more."""


def _nothing() -> Mapping[str, float]:
    return MappingProxyType({})


@dataclass(frozen=True, slots=True)
class View:
    """The server as it is now. `problem` is one line about what is wrong, empty if nothing is.

    `output_tokens_per_s` is what all models wrote in the last second, `speeds` are tokens a second
    of the last answer by model. `notices` are what the server tells by itself, None until it has
    said which there were before. `starts_at_login` is None where this machine has nothing that
    would start it.
    """

    phase: Phase = "stopped"
    keeper: Keeper = "other"
    address: str = ""
    problem: str = ""
    models: tuple[ModelObject, ...] = ()
    downloads: tuple[DownloadBody, ...] = ()
    manager: ManagerStatus | None = None
    memory: MemoryStatus | None = None
    settings: ServerSettingsBody | None = None
    notices: tuple[NoticeBody, ...] | None = None
    output_tokens_per_s: float = 0.0
    speeds: Mapping[str, float] = field(default_factory=_nothing)
    starts_at_login: bool | None = None
    logs_there: bool = False

    def setting(self, name: str) -> object:
        """The value of a setting of the server; None where it is not known."""
        row = None if self.settings is None else self.settings.settings.get(name)
        return None if row is None else row.value

    @property
    def pinned(self) -> frozenset[str]:
        """Ids of models in memory that never leave to make room."""
        loaded = [] if self.manager is None else self.manager.loaded_models
        return frozenset(model.id for model in loaded if model.pinned)


def told(view: View, event: Event) -> View:
    """`view` after `event`."""
    match event:
        case SnapshotEvent():
            return replace(
                view,
                models=tuple(event.models or ()),
                downloads=tuple(event.downloads or ()),
                memory=event.memory,
                manager=event.manager,
                settings=event.settings,
                notices=None if event.notices is None else tuple(event.notices),
            )
        case ModelObject():
            return replace(view, models=_with(view.models, event))
        case RemovedModel():
            return replace(view, models=_without(view.models, event.id))
        case DownloadBody():
            return replace(view, downloads=_with(view.downloads, event))
        case RemovedDownload():
            return replace(view, downloads=_without(view.downloads, event.id))
        case NoticeBody():
            return replace(view, notices=_with(view.notices or (), event))
        case RemovedNotice():
            kept = (each for each in view.notices or () if each.id != event.id)
            return replace(view, notices=tuple(kept))
        case ManagerStatus():
            return replace(view, manager=event)
        case MemoryStatus():
            return replace(view, memory=event)
        case MetricsEvent():
            return replace(view, output_tokens_per_s=event.output_tokens_per_s)
        case ServerSettingsBody():
            return replace(view, settings=event)
        case _:
            return view


def with_speed(view: View, request: RequestObject) -> View:
    """`view` with the speed of an answer that has ended, if it was long enough to have one."""
    tokens, decode_ms = request.tokens, request.phases.decode_ms
    if tokens is None or not decode_ms or tokens.completion < 2:
        return view
    speed = tokens.completion * 1000 / decode_ms
    return replace(view, speeds=MappingProxyType({**view.speeds, request.model: speed}))


def gone(view: View, problem: str = "") -> View:
    """`view` when no server is there any more: what is of the machine stays."""
    return View(
        keeper=view.keeper,
        problem=problem,
        starts_at_login=view.starts_at_login,
        logs_there=view.logs_there,
    )


def _with(bodies: tuple[Body, ...], new: Body) -> tuple[Body, ...]:
    if any(each.id == new.id for each in bodies):
        return tuple(new if each.id == new.id else each for each in bodies)
    return (*bodies, new)


def _without(bodies: tuple[Body, ...], gone_id: str) -> tuple[Body, ...]:
    return tuple(each for each in bodies if each.id != gone_id)
