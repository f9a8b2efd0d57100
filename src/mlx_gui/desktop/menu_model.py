"""What the tray shows of what it knows: its icon, its title and its menu, without any display."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from mlx_gui.core.units import format_bytes, format_duration
from mlx_gui.desktop.view import ENDED, View
from mlx_gui.wire.downloads import DownloadBody
from mlx_gui.wire.models import ModelObject

IconState = Literal["running", "busy", "loading", "warning", "stopped"]
Verb = Literal[
    "open", "copy", "load", "unload", "unload_all", "pin", "unpin", "pause", "resume", "cancel",
    "notify", "mute", "start", "stop", "restart", "login", "no_login", "logs", "quit", "quit_all",
    "quit_own",
]  # fmt: skip

RECENT = 5
LONGEST_LABEL = 80
NOTICES = {
    "notify_downloads": "Downloads",
    "notify_failures": "Failures",
    "notify_memory": "Memory",
    "notify_evictions": "Models that make room",
}
"""Settings of the server that the tray heeds, and their names in its menu."""

_IN_MEMORY = ("ready", "busy", "unloading")
_COMING = ("loading", "queued")


@dataclass(frozen=True, slots=True)
class Action:
    """What choosing an entry asks for, of the model, download, page or text `of`.

    `quit_own` is what a signal asks for: what the tray has started ends with it.
    """

    verb: Verb
    of: str = ""


@dataclass(frozen=True, slots=True)
class Entry:
    """A line of the menu. Without action and entries it only says something.

    `checked` is None for what cannot be. One without a label divides the menu.
    """

    label: str
    action: Action | None = None
    entries: tuple["Entry", ...] = ()
    checked: bool | None = None


@dataclass(frozen=True, slots=True)
class Look:
    """What whoever draws the tray has to draw. `first` is what a click on the icon means."""

    icon: IconState
    title: str
    menu: tuple[Entry, ...]
    first: Action | None


DIVIDER = Entry("")


def look_of(view: View) -> Look:
    """The whole tray."""
    first = Action("open", "") if view.phase == "running" else None
    return Look(icon_of(view), title_of(view), menu_of(view), first)


def icon_of(view: View) -> IconState:
    """One state, the most urgent."""
    if view.phase in ("starting", "stopping"):
        return "loading"
    if view.phase == "stopped":
        return "warning" if view.problem else "stopped"
    if view.problem or (view.memory is not None and view.memory.pressure == "critical"):
        return "warning"
    states = {model.state for model in view.models}
    if "failed" in states:
        return "warning"
    if states & {*_COMING, "unloading"}:
        return "loading"
    return "busy" if "busy" in states else "running"


def title_of(view: View) -> str:
    """One line: what is wrong, else what it does."""
    if view.problem:
        return _short(f"mlx-gui: {view.problem}")
    match view.phase:
        case "running":
            loaded = sum(model.state in _IN_MEMORY for model in view.models)
            writes = _speed(view.output_tokens_per_s)
            return f"mlx-gui: {f'{writes}, ' if writes else ''}{loaded} in memory, {view.address}"
        case "starting":
            return "mlx-gui starts"
        case "stopping":
            return "mlx-gui ends"
        case "stopped":
            return "mlx-gui does not run"


def menu_of(view: View) -> tuple[Entry, ...]:
    """All entries, in parts that are divided."""
    parts = [tuple(_server(view))]
    if view.phase == "running":
        parts += [tuple(_models(view)), tuple(_downloads(view)), tuple(_pages())]
    parts += [tuple(_settings(view)), tuple(_ends(view))]
    menu: list[Entry] = []
    for part in filter(None, parts):
        menu += [DIVIDER, *part] if menu else part
    return tuple(menu)


def _server(view: View) -> Iterator[Entry]:
    if view.problem:
        yield _entry(view.problem)
    match view.phase:
        case "running":
            copies = (
                _entry(f"Copy {view.address}/v1", Action("copy", f"{view.address}/v1")),
                _entry(f"Copy {view.address}", Action("copy", view.address)),
            )
            yield Entry(f"Running on {view.address.removeprefix('http://')}", entries=copies)
            if (memory := view.memory) is not None:
                used, budget = memory.used_by_models_bytes, memory.budget_bytes
                scarce = "" if memory.pressure == "normal" else f", pressure {memory.pressure}"
                yield _entry(f"Memory {format_bytes(used)} of {format_bytes(budget)}{scarce}")
        case "starting":
            yield _entry("The server starts")
        case "stopping":
            yield _entry("The server ends, after its answers")
        case "stopped":
            yield _entry("The server does not run")


def _models(view: View) -> Iterator[Entry]:
    loaded = [model for model in view.models if model.state in (*_IN_MEMORY, *_COMING)]
    for model in loaded:
        yield _loaded(view, model)
    for model in view.models:
        if model.state == "failed":
            reason = model.error.message if model.error is not None else "it failed"
            again = (_entry("Load it again", Action("load", model.id)), _entry(reason))
            yield Entry(_short(f"⚠ {model.id}"), entries=again)
    recent = sorted(
        (model for model in view.models if model.state == "not_loaded" and model.supported),
        key=lambda model: (model.last_used_at or "", model.created_at),
        reverse=True,
    )[:RECENT]
    if recent:
        lines = tuple(
            _entry(f"{model.id}, {format_bytes(model.disk_bytes)}", Action("load", model.id))
            for model in recent
        )
        yield Entry("Load", entries=lines)
    if len(loaded) > 1:
        yield _entry("Unload all", Action("unload_all"))
    if not view.models:
        yield _entry("No model is installed; find one…", Action("open", "discover"))


def _loaded(view: View, model: ModelObject) -> Entry:
    facts = [model.id]
    if model.memory is not None:
        facts.append(format_bytes(model.memory.total_bytes))
    if model.state in _COMING:
        done = "" if model.load_progress is None else f" {model.load_progress:.0%}"
        facts.append(f"{model.state}{done}")
    elif model.state == "unloading":
        facts.append("unloading")
    elif model.state == "busy":
        facts.append(f"{model.active} running")
    if speed := _speed(view.speeds.get(model.id, 0)):
        facts.append(speed)
    pinned = model.id in view.pinned
    entries = (
        _entry("Unload", Action("unload", model.id)),
        Entry("Keep in memory", Action("unpin" if pinned else "pin", model.id), checked=pinned),
        _entry("Copy its name", Action("copy", model.id)),
    )
    return Entry(_short(f"● {', '.join(facts)}"), entries=entries)


def _downloads(view: View) -> Iterator[Entry]:
    for download in view.downloads:
        if download.state not in ENDED:
            yield _download(download)


def _download(download: DownloadBody) -> Entry:
    whole = download.bytes_total
    facts = [download.model_id]
    if whole:
        # Whole only when it is: the last per cent is not rounded up.
        facts.append(f"{download.bytes_done * 100 // whole} %")
    if download.state == "downloading" and download.eta_s is not None:
        facts.append(f"{format_duration(download.eta_s)} left")
    elif download.state != "downloading":
        facts.append(download.state)
    on = _entry("Pause", Action("pause", download.id))
    if download.state == "paused":
        on = _entry("Go on", Action("resume", download.id))
    reason = () if download.error is None else (_entry(download.error.message),)
    return Entry(
        _short(f"↓ {', '.join(facts)}"),
        entries=(*reason, on, _entry("Cancel", Action("cancel", download.id))),
    )


def _pages() -> Iterator[Entry]:
    yield _entry("Open mlx-gui", Action("open", ""))
    yield _entry("Downloads…", Action("open", "downloads"))
    yield _entry("Discover…", Action("open", "discover"))


def _settings(view: View) -> Iterator[Entry]:
    if view.phase == "running":
        wanted = tuple(
            Entry(label, Action("mute" if view.setting(name) else "notify", name), checked=on)
            for name, label in NOTICES.items()
            if isinstance(on := view.setting(name), bool)
        )
        if wanted:
            yield Entry("Notifications", entries=wanted)
    if view.starts_at_login is not None:
        login = Action("no_login" if view.starts_at_login else "login")
        yield Entry("Start at login", login, checked=view.starts_at_login)
    if view.logs_there:
        yield _entry("Open the folder of the logs", Action("logs"))


def _ends(view: View) -> Iterator[Entry]:
    match view.phase:
        case "running":
            yield _entry("Restart the server", Action("restart"))
            yield _entry("Stop the server", Action("stop"))
            stays = _entry("The server goes on", Action("quit"))
            ends = _entry("Stop the server too", Action("quit_all"))
            yield Entry("Quit", entries=(stays, ends))
        case "stopped":
            yield _entry("Start the server", Action("start"))
            yield _entry("Quit", Action("quit"))
        case "starting" | "stopping":
            yield _entry("Quit", Action("quit"))


def _speed(tokens_per_s: float) -> str:
    """Nothing for what is not even a tenth."""
    if tokens_per_s >= 10:
        return f"{tokens_per_s:.0f} tok/s"
    return f"{tokens_per_s:.1f} tok/s" if tokens_per_s >= 0.1 else ""


def _entry(label: str, action: Action | None = None) -> Entry:
    return Entry(_short(label), action)


def _short(text: str) -> str:
    """One line that fits a menu, with nothing in it that would steer whoever draws it."""
    line = "".join(letter if letter.isprintable() else " " for letter in text)
    return line if len(line) <= LONGEST_LABEL else f"{line[: LONGEST_LABEL - 1]}…"
