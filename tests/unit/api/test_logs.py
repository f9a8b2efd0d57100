"""`/v1/logs` over HTTP."""

from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
import structlog

from mlx_gui.logging import configure
from tests.unit.api.parts import application, config, services, serving
from tests.unit.test_logging import _logging_as_before

__all__ = ["_logging_as_before"]


@pytest.fixture
def client(tmp_path: Path) -> Iterator[httpx.Client]:
    parts = services(config(tmp_path))
    configure("debug", tail=parts.server.logs)
    # Loggers of the server that were kept would write here in other tests too.
    structlog.configure(cache_logger_on_first_use=False)
    with serving(application(parts)) as address, httpx.Client(base_url=address) as client:
        yield client


def test_lines_are_told_with_their_fields_and_followed_by_number(client: httpx.Client) -> None:
    log = structlog.get_logger("mlx_gui.test")
    log.info("model_loaded", model="org/one")
    shown = client.get("/v1/logs", params={"model": "org/one"}).raise_for_status().json()
    (line,) = shown["data"]
    assert (line["event"], line["fields"]) == ("model_loaded", {"model": "org/one"})
    assert shown["last"] >= line["seq"]
    log.error("it_failed", model="org/one")
    after = {"after": line["seq"], "level": "error"}
    (next_line,) = client.get("/v1/logs", params=after).raise_for_status().json()["data"]
    assert next_line["event"] == "it_failed"


@pytest.mark.parametrize(
    ("name", "value"),
    [("limit", 0), ("limit", 10**9), ("after", -1), ("after", 2**80), ("level", "loud")],
)
def test_nonsense_is_refused_by_name(client: httpx.Client, name: str, value: object) -> None:
    answer = client.get("/v1/logs", params={name: str(value)})
    assert answer.status_code == 400
    assert name in answer.json()["error"]["message"]


def test_the_topic_tells_of_the_newest_line(client: httpx.Client) -> None:
    log = structlog.get_logger("mlx_gui.test")
    log.info("model_loaded")
    with client.stream("GET", "/v1/events", params={"topics": "logs"}) as events:
        for line in events.iter_lines():
            if line.startswith("data:") and '"logs":{"last":' in line:
                break
        else:
            raise AssertionError("no snapshot came")
