"""The log on a terminal and in a file."""

import io
import json
import logging
import os
from collections.abc import Iterator
from pathlib import Path

import pytest
import structlog

from mlx_gui.log_tail import LogTail
from mlx_gui.logging import LOG_FILE, configure, log_into, set_level


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.fixture(autouse=True)
def _logging_as_before() -> Iterator[None]:
    root, before = logging.getLogger(), logging.getLogger().handlers[:]
    level, configuration = root.level, structlog.get_config()
    yield
    for each in root.handlers:
        if each not in before:
            each.close()
    root.handlers[:] = before
    root.setLevel(level)
    structlog.configure(**configuration)


SECRET = "what nobody may read"


def fail(secret: str) -> None:
    raise ValueError("it broke")


def write_lines() -> None:
    log = structlog.get_logger("mlx_gui.test")
    with structlog.contextvars.bound_contextvars(request_id="request-1"):
        log.info("model_loaded", model="org/one")
        log.debug("not_interesting")
        try:
            fail(SECRET)
        except ValueError:
            log.exception("it_failed")
    logging.getLogger("some.library").warning("it says %s", "so")
    logging.getLogger("httpx").info("a request was made")


def test_without_a_terminal_every_event_is_one_line_of_json() -> None:
    out = io.StringIO()
    configure("info", stream=out)

    write_lines()

    loaded, failed, foreign = map(json.loads, out.getvalue().splitlines())
    assert loaded.pop("timestamp").endswith("Z")
    assert loaded == {
        "event": "model_loaded",
        "level": "info",
        "model": "org/one",
        "request_id": "request-1",
    }
    assert "ValueError: it broke" in failed["exception"]
    assert (foreign["event"], foreign["level"]) == ("it says so", "warning")


def test_a_terminal_gets_lines_for_people() -> None:
    out = Terminal()
    configure("info", stream=out)

    write_lines()

    first = out.getvalue().splitlines()[0]
    assert "model_loaded" in first
    assert "request-1" in first
    assert "{" not in first


@pytest.mark.parametrize("stream", [io.StringIO, Terminal])
def test_a_traceback_shows_no_values_of_variables(stream: type[io.StringIO]) -> None:
    out = stream()
    configure("info", stream=out)

    write_lines()

    assert "it broke" in out.getvalue()
    assert SECRET not in out.getvalue()


def test_debug_shows_all() -> None:
    out = io.StringIO()
    configure("debug", stream=out)

    write_lines()

    assert "not_interesting" in out.getvalue()


def test_the_level_can_be_changed_between_two_lines() -> None:
    stream = io.StringIO()
    configure("info", stream=stream)
    log = structlog.get_logger("mlx_gui.test")
    for level in ("info", "error", "debug"):
        set_level(level)
        log.info(f"below_{level}")
    assert [json.loads(line)["event"] for line in stream.getvalue().splitlines()] == [
        "below_info", "below_debug",
    ]  # fmt: skip
    assert logging.getLogger("uvicorn").level == logging.WARNING
    set_level("error")
    assert logging.getLogger("uvicorn").level == logging.ERROR
    logging.getLogger("uvicorn").setLevel(logging.WARNING)


def test_a_log_in_a_file_is_no_longer_in_the_stream(tmp_path: Path) -> None:
    out, tail = io.StringIO(), LogTail()
    configure("info", stream=out, tail=tail)
    log = structlog.get_logger("mlx_gui.test")
    log.info("before")

    log_into(tmp_path / "logs")
    log.info("after")

    (line,) = (tmp_path / "logs" / LOG_FILE).read_text().splitlines()
    assert json.loads(line)["event"] == "after"
    assert "after" not in out.getvalue()
    assert tail.last == 2


def test_a_log_file_is_put_aside_before_it_grows_without_end(tmp_path: Path) -> None:
    configure("info", stream=io.StringIO())
    log_into(tmp_path)
    log = structlog.get_logger("mlx_gui.test")

    for _ in range(6):
        os.truncate(tmp_path / LOG_FILE, 9_999_990)
        log.info("one_more")

    sizes = {each.name: each.stat().st_size for each in tmp_path.iterdir()}
    assert sorted(sizes) == [LOG_FILE, *(f"{LOG_FILE}.{number}" for number in range(1, 5))]
    assert max(sizes.values()) < 10_000_000


def test_a_log_that_gets_no_file_stays_where_it_is(tmp_path: Path) -> None:
    out = io.StringIO()
    configure("info", stream=out)
    (tmp_path / "logs").write_text("no folder")

    with pytest.raises(FileExistsError):
        log_into(tmp_path / "logs")

    structlog.get_logger("mlx_gui.test").info("still_here")
    assert "still_here" in out.getvalue()
