"""What the tray tells of by itself, and what it keeps to itself."""

from dataclasses import replace

import pytest

from mlx_gui.desktop.menu_model import NOTICES
from mlx_gui.desktop.notices import Calm, Notice, notices
from mlx_gui.desktop.view import View, gone
from tests.unit.desktop.views import (
    FAILURE,
    download,
    eviction,
    memory,
    model,
    running,
    settings,
)

FAILED = model(state="failed", error=FAILURE)


@pytest.mark.parametrize(
    ("before", "after", "kind", "text"),
    [
        (
            running(downloads=(download(),)),
            running(downloads=(download(state="done"),)),
            "download_done",
            "org/large",
        ),
        (
            running(downloads=(download(state="verifying"),)),
            running(downloads=(download(state="failed", error=FAILURE),)),
            "download_failed",
            "org/large: Its weights are damaged.",
        ),
        (
            running(models=(model(state="loading"),)),
            running(models=(FAILED,)),
            "model_failed",
            "org/tiny: Its weights are damaged.",
        ),
        (
            running(memory=memory("warn")),
            running(memory=memory("critical")),
            "memory",
            "Models are unloaded to make room.",
        ),
        (
            running(notices=()),
            running(notices=(eviction(),)),
            "evicted",
            "org/tiny was unloaded to make room for org/large: idle for 12 min.",
        ),
        (
            running(notices=(eviction(seq=5),)),
            running(notices=(eviction(seq=6, message="Again."),)),
            "evicted",
            "Again.",
        ),
        (running(), gone(running(), "It ended."), "server", "It ended."),
    ],
)
def test_what_happens_is_told_once_and_only_if_it_is_wanted(
    before: View, after: View, kind: str, text: str
) -> None:
    assert [(each.kind, each.text) for each in notices(before, after)] == [(kind, text)]
    assert notices(after, after) == []
    off = settings(**dict.fromkeys(NOTICES, False))
    mute = replace(before, settings=off)
    assert notices(mute, replace(after, settings=after.settings and off)) == []


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (View(), running(models=(FAILED,), downloads=(download(state="done"),))),
        (running(), running(models=(FAILED,))),
        (running(), running(downloads=(download(state="done"),), memory=memory("critical"))),
        (running(downloads=(download(),)), running(downloads=(download(state="cancelled"),))),
        (running(memory=memory("critical")), running(memory=memory())),
        (running(), gone(running())),
        (View(phase="starting"), View()),
        (running(), running(notices=(eviction(),))),
        (running(notices=(eviction(),)), running(notices=(eviction(undo="done"),))),
        (running(notices=(eviction(),)), running(notices=())),
        (running(notices=()), running(notices=(eviction(kind="disk_low"),))),
    ],
)
def test_what_was_so_before_or_was_wanted_is_no_news(before: View, after: View) -> None:
    assert notices(before, after) == []


def test_one_of_a_kind_comes_a_minute_at_most() -> None:
    calm = Calm({})
    first, other = Notice("memory", "a"), Notice("server", "b")
    assert calm.lets_through(first, now_s=0)
    assert not calm.lets_through(first, now_s=59)
    assert calm.lets_through(other, now_s=59)
    assert calm.lets_through(first, now_s=60)
    failed = Notice("action", "c")
    assert calm.lets_through(failed, now_s=60)
    assert calm.lets_through(failed, now_s=60)
