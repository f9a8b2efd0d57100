"""One child a module: importing mlx-lm takes longer than the tests."""

from collections.abc import Iterator

import pytest

from tests.engines.remote import RemoteEngine, child


@pytest.fixture(scope="module")
def engine() -> Iterator[RemoteEngine]:
    with child() as process:
        yield RemoteEngine(process)
