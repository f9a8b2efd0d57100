"""The last lines of the log, in memory."""

import json
import threading

import pytest
import structlog

from mlx_gui.log_tail import MOST_BYTES, MOST_LINES, LogQuery, LogTail
from mlx_gui.logging import configure
from tests.unit.test_logging import _logging_as_before

__all__ = ["_logging_as_before"]

ALL = LogQuery()


@pytest.fixture
def tail() -> LogTail:
    tail = LogTail()
    configure("debug", tail=tail)
    return tail


def events(tail: LogTail, query: LogQuery = ALL, **cursor: int) -> list[str]:
    return [line.event for line in tail.find(query, limit=100, **cursor)[0]]


def test_lines_are_kept_with_their_fields_in_order(tail: LogTail) -> None:
    log = structlog.get_logger("mlx_gui.test")
    log.info("model_loaded", model="org/one", load_ms=3)
    log.warning("odd", value=object)
    first, second = tail.find(ALL, limit=10)[0]
    assert (first.seq, first.level, first.event) == (1, "info", "model_loaded")
    assert json.loads(first.fields) == {"model": "org/one", "load_ms": 3}
    assert first.at.endswith("Z")
    assert (second.seq, second.level, tail.last) == (2, "warning", 2)


def test_a_traceback_is_one_field_without_values_of_variables(tail: LogTail) -> None:
    secret = "what nobody may read"
    try:
        raise ValueError("it broke") if secret else KeyError
    except ValueError:
        structlog.get_logger("mlx_gui.test").exception("it_failed")
    (line,) = tail.find(ALL, limit=10)[0]
    assert "ValueError: it broke" in json.loads(line.fields)["exception"]
    assert secret not in line.fields.decode()


def test_lines_are_found_by_level_model_request_and_place(tail: LogTail) -> None:
    log = structlog.get_logger("mlx_gui.test")
    log.debug("a", model="one")
    log.info("b", model="two", request_id="r1")
    log.error("c", model="one", request_id="r1")
    log.error("d")
    assert events(tail, LogQuery("info")) == ["b", "c", "d"]
    assert events(tail, LogQuery(model="one")) == ["a", "c"]
    assert events(tail, LogQuery(request_id="r1", model="one")) == ["c"]
    assert events(tail, after=2) == ["c", "d"]
    assert events(tail, before=3) == ["a", "b"]
    assert events(tail, after=10**18) == []
    assert tail.find(ALL, limit=2, after=0)[1]
    assert [line.event for line in tail.find(ALL, limit=2)[0]] == ["c", "d"]
    assert not tail.find(ALL, limit=4)[1]


def test_what_is_kept_is_bounded_by_lines_and_by_bytes(tail: LogTail) -> None:
    log = structlog.get_logger("mlx_gui.test")
    for number in range(MOST_LINES + 10):
        log.info("line", number=number)
    assert tail.last == MOST_LINES + 10
    assert tail.find(ALL, limit=1, after=0)[0][0].seq == 11
    for _ in range(200):
        log.info("long", text="x" * (MOST_BYTES // 110))
    lines = tail.find(ALL, limit=MOST_LINES)[0]
    assert sum(len(line.fields) for line in lines) <= MOST_BYTES
    log.info("endless", text="x" * MOST_BYTES)
    assert "left_out_bytes" in tail.find(ALL, limit=1)[0][0].fields.decode()


def test_threads_log_together_and_whoever_listens_hears_of_each_line(tail: LogTail) -> None:
    told: list[int] = []
    tail.listen(lambda: told.append(tail.last))
    log = structlog.get_logger("mlx_gui.test")

    def many() -> None:
        for _ in range(50):
            log.info("line")

    threads = [threading.Thread(target=many) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [line.seq for line in tail.find(ALL, limit=1000)[0]] == list(range(1, 201))
    assert len(told) == 200
    tail.listen(None)
    log.info("line")
    assert len(told) == 200
