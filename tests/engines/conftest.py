"""One child for all modules: importing mlx-lm takes longer than their tests."""

from collections.abc import Iterator

import pytest

from tests.engines.remote import RemoteEngine, child


# Not longer than this package: others look at which children the test process has.
@pytest.fixture(scope="package")
def engine() -> Iterator[RemoteEngine]:
    with child() as process:
        yield RemoteEngine(process)
