"""One server a test module; each test finds its script as new."""

from collections.abc import Iterator

import pytest

from tests.unit.api.parts import (
    Running,
    ScriptedDispatch,
    application,
    config,
    say_hello,
    services,
    serving,
)


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    dispatch = ScriptedDispatch()
    settings = config(tmp_path_factory.mktemp("data"), client_stall_s=0.5, max_body_bytes=2**17)
    with serving(application(services(settings, dispatch=dispatch))) as address:
        yield Running(address, dispatch)


@pytest.fixture
def dispatch(running: Running) -> ScriptedDispatch:
    running.dispatch.script = say_hello
    running.dispatch.asked.clear()
    running.dispatch.asks.clear()
    running.dispatch.kept_s.clear()
    running.dispatch.closed.clear()
    return running.dispatch


@pytest.fixture
def address(running: Running, dispatch: ScriptedDispatch) -> str:
    return running.address
