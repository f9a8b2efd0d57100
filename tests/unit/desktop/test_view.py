"""What events make of what the tray knows."""

from dataclasses import replace

from mlx_gui.desktop.view import View, gone, told, with_speed
from mlx_gui.wire.downloads import RemovedDownload
from mlx_gui.wire.history import MetricsEvent
from mlx_gui.wire.notices import RemovedNotice
from mlx_gui.wire.requests import RequestObject, RequestPhases, RequestsEvent, RequestTokens
from mlx_gui.wire.status import RemovedModel, SnapshotEvent
from tests.unit.desktop.views import download, eviction, manager, memory, model, running


def test_a_snapshot_replaces_all_that_was_known_before() -> None:
    before = running(models=(model(id="old"),), downloads=(download(id="old"),))
    after = told(before, SnapshotEvent(models=[model()], downloads=[download()], memory=memory()))
    assert [each.id for each in after.models] == ["org/tiny"]
    assert [each.id for each in after.downloads] == ["job-1"]
    assert after.memory == memory()


def test_models_and_downloads_come_change_and_go() -> None:
    view = told(running(), model())
    view = told(view, model(id="b"))
    view = told(view, model(state="ready"))
    assert [(each.id, each.state) for each in view.models] == [
        ("org/tiny", "ready"),
        ("b", "not_loaded"),
    ]
    view = told(told(view, RemovedModel(id="org/tiny")), download())
    view = told(view, download(bytes_done=5))
    assert [each.id for each in view.models] == ["b"]
    assert [each.bytes_done for each in view.downloads] == [5]
    assert told(view, RemovedDownload(id="job-1")).downloads == ()


def test_what_the_server_tells_by_itself_is_known_from_its_snapshot_on() -> None:
    view = told(running(), SnapshotEvent(notices=[eviction()]))
    assert [each.seq for each in view.notices or ()] == [5]
    view = told(told(view, eviction(id=4, seq=6)), eviction(seq=7, count=2))
    assert [(each.id, each.seq) for each in view.notices or ()] == [(3, 7), (4, 6)]
    assert [each.id for each in told(view, RemovedNotice(id=3)).notices or ()] == [4]
    assert told(running(), SnapshotEvent()).notices is None
    assert gone(view).notices is None


def test_what_does_not_concern_the_tray_changes_nothing() -> None:
    assert told(running(), RequestsEvent(last=1, queued=0, running=0)) == running()
    assert told(running(), manager("a")).pinned == {"a"}


def test_the_speed_of_all_is_that_of_the_last_second() -> None:
    second = MetricsEvent(
        at="", prompt_tokens_per_s=0, output_tokens_per_s=41.5, active_requests=1, queued_requests=0
    )
    assert told(running(), second).output_tokens_per_s == 41.5


def request(completion: int | None, decode_ms: float | None) -> RequestObject:
    tokens = completion and RequestTokens(prompt=1, cached=0, completion=completion, reasoning=0)
    return RequestObject(
        id="1",
        request_id="1",
        seq=1,
        status="finished",
        endpoint="/v1/chat/completions",
        model="org/tiny",
        tenant="",
        key_id=None,
        client="",
        submitted_at="",
        ended_at="",
        phases=RequestPhases(total_ms=1, queued_ms=0, decode_ms=decode_ms),
        tokens=tokens or None,
        cache_miss=None,
        slow_because=None,
        error=None,
    )


def test_the_speed_is_that_of_the_last_answer_that_had_one() -> None:
    view = with_speed(running(), request(100, 2000))
    for nothing in (request(None, None), request(1, 10), request(5, None), request(5, 0)):
        view = with_speed(view, nothing)
    assert dict(view.speeds) == {"org/tiny": 50.0}


def test_of_a_server_that_is_gone_only_what_is_of_the_machine_stays() -> None:
    view = running(models=(model(),), starts_at_login=True, logs_there=True, keeper="tray")
    left = gone(view, "It broke.")
    assert left == View(keeper="tray", problem="It broke.", starts_at_login=True, logs_there=True)
    assert gone(replace(view, problem="old")).problem == ""
