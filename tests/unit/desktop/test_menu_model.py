"""What the tray shows of what it knows."""

from collections.abc import Iterator

import pytest

from mlx_gui.desktop.menu_model import Action, Entry, icon_of, look_of, menu_of, title_of
from mlx_gui.desktop.view import View
from tests.unit.desktop.views import (
    ADDRESS,
    FAILURE,
    USE,
    download,
    manager,
    memory,
    model,
    running,
)


def lines(entries: tuple[Entry, ...], depth: int = 0) -> Iterator[str]:
    """The menu as a person reads it."""
    for entry in entries:
        mark = "" if entry.checked is None else " ✓" if entry.checked else " -"
        yield f"{'  ' * depth}{entry.label or '---'}{mark}"
        yield from lines(entry.entries, depth + 1)


def actions(entries: tuple[Entry, ...]) -> Iterator[Action]:
    for entry in entries:
        if entry.action is not None:
            yield entry.action
        yield from actions(entry.entries)


def test_a_server_at_work_is_shown_with_all_that_can_be_done() -> None:
    view = running(
        models=(
            model(id="org/tiny", state="busy", memory=USE, active=2),
            model(id="org/other", state="loading", load_progress=0.42),
            model(id="org/idle", last_used_at="2025-03-02T00:00:00Z"),
            model(id="org/broken", state="failed", error=FAILURE),
            model(id="org/odd", supported=False),
        ),
        downloads=(download(), download(id="job-2", state="done")),
        manager=manager("org/tiny"),
        memory=memory("warn"),
        speeds={"org/tiny": 41.4},
        starts_at_login=False,
        logs_there=True,
    )
    assert list(lines(menu_of(view))) == [
        "Running on 127.0.0.1:8000",
        "  Copy http://127.0.0.1:8000/v1",
        "  Copy http://127.0.0.1:8000",
        "Memory 412.0 MB of 12.0 GB, pressure warn",
        "---",
        "● org/tiny, 412.0 MB, 2 running, 41 tok/s",
        "  Unload",
        "  Keep in memory ✓",
        "  Copy its name",
        "● org/other, loading 42%",
        "  Unload",
        "  Keep in memory -",
        "  Copy its name",
        "⚠ org/broken",
        "  Load it again",
        "  Its weights are damaged.",
        "Load",
        "  org/idle, 75.7 MB",
        "Unload all",
        "---",
        "↓ org/large, 99 %, 1 min left",
        "  Pause",
        "  Cancel",
        "---",
        "Open mlx-gui",
        "Downloads…",
        "Discover…",
        "---",
        "Notifications",
        "  Downloads ✓",
        "  Failures ✓",
        "  Memory ✓",
        "  Models that make room ✓",
        "Start at login -",
        "Open the folder of the logs",
        "---",
        "Restart the server",
        "Stop the server",
        "Quit",
        "  The server goes on",
        "  Stop the server too",
    ]
    chosen = list(actions(menu_of(view)))
    assert Action("unpin", "org/tiny") in chosen
    assert Action("mute", "notify_memory") in chosen
    assert len(set(chosen)) == len(chosen)


def test_without_a_server_there_is_the_way_to_one_and_what_was_wrong() -> None:
    stopped = View(problem="Cannot listen on 127.0.0.1:8000: Address already in use.")
    assert list(lines(menu_of(stopped))) == [
        "Cannot listen on 127.0.0.1:8000: Address already in use.",
        "The server does not run",
        "---",
        "Start the server",
        "Quit",
    ]
    assert look_of(stopped).first is None
    assert look_of(running()).first == Action("open", "")


def test_a_server_without_models_shows_where_there_are_some() -> None:
    assert Action("open", "discover") in actions(menu_of(running()))


@pytest.mark.parametrize(
    ("view", "icon"),
    [
        (View(), "stopped"),
        (View(problem="It broke."), "warning"),
        (View(phase="starting"), "loading"),
        (running(), "running"),
        (running(models=(model(state="ready"),)), "running"),
        (running(models=(model(state="busy"),)), "busy"),
        (running(models=(model(state="busy"), model(id="b", state="loading"))), "loading"),
        (running(models=(model(state="busy"), model(id="b", state="failed"))), "warning"),
        (running(memory=memory("critical")), "warning"),
        (running(memory=memory("warn")), "running"),
    ],
)
def test_the_icon_has_the_most_urgent_state(view: View, icon: str) -> None:
    assert icon_of(view) == icon


@pytest.mark.parametrize(
    ("view", "title"),
    [
        (View(), "mlx-gui does not run"),
        (View(problem="It broke."), "mlx-gui: It broke."),
        (running(models=(model(state="ready"),)), f"mlx-gui: 1 in memory, {ADDRESS}"),
        (running(output_tokens_per_s=41.4), f"mlx-gui: 41 tok/s, 0 in memory, {ADDRESS}"),
    ],
)
def test_the_title_says_what_is_wrong_before_all_else(view: View, title: str) -> None:
    assert title_of(view) == title


def test_what_comes_from_elsewhere_is_one_short_line_of_plain_letters() -> None:
    hostile = "\x1b[31mbad\nname\u202e" + "x" * 500
    view = running(
        models=(model(id=hostile, state="ready"),),
        downloads=(download(model_id=hostile, state="paused", bytes_total=0),),
        problem=hostile,
    )
    shown = [line.strip() for line in lines(menu_of(view))]
    assert all(line.isprintable() and len(line) <= 82 for line in shown)
    assert Action("unload", hostile) in actions(menu_of(view))


@pytest.mark.parametrize("state", ["queued", "checking", "verifying", "paused"])
def test_a_download_that_does_not_move_says_so(state: str) -> None:
    (entry,) = [
        each
        for each in menu_of(running(downloads=(download(state=state),)))
        if each.label.startswith("↓")
    ]
    assert entry.label == f"↓ org/large, 99 %, {state}"
    verb = "resume" if state == "paused" else "pause"
    assert Action(verb, "job-1") in actions(entry.entries)
