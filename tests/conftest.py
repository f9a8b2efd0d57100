"""What holds for all tests."""

import gc
import os
import signal
import ssl
from functools import cache

import pytest
import structlog
from hypothesis import HealthCheck, settings

from tests.support.shared import begin_to_share

# How long it takes to make an example, or to try it, says how busy the machine is.
settings.register_profile("desk", deadline=None, suppress_health_check=[HealthCheck.too_slow])
# CI judges a change by the same examples every time; at the desk each run looks at new ones.
settings.register_profile("ci", settings.get_profile("desk"), derandomize=True)
settings.load_profile("ci" if os.environ.get("CI") else "desk")

# Each HTTP client reads all authorities of the system, for 25 ms, and no test speaks TLS.
ssl.create_default_context = cache(ssl.create_default_context)

# A shell has what it runs in the background ignore Ctrl-C, and so would every child of the tests.
signal.signal(signal.SIGINT, signal.default_int_handler)

# What structlog shows of a traceback by default, every variable of every frame, takes seconds.
structlog.configure(
    processors=[
        *structlog.get_config()["processors"][:-1],
        structlog.dev.ConsoleRenderer(exception_formatter=structlog.dev.plain_traceback),
    ]
)


def pytest_configure() -> None:
    begin_to_share()
    # Nearly all that comes into being while tests are collected stays.
    gc.disable()


def pytest_xdist_auto_num_workers() -> int:
    """Two for each core, four at most: for half of their time, tests wait for other processes."""
    return min(4, 2 * (os.cpu_count() or 1))


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    # It trains what tests of nearly every folder would otherwise wait for, all at once.
    items.sort(key=lambda item: item.path.name != "test_zoo.py")


def pytest_collection_finish() -> None:
    # The clients' libraries and thousands of tests stay: no collection needs to look through them.
    gc.freeze()
    gc.enable()
