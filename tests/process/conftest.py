"""What single workers find of a machine that a server knows already."""

import shutil
from pathlib import Path

import pytest

from tests.support.server import first_start


@pytest.fixture
def known_machine(tmp_path: Path) -> None:
    """For workers whose cache is `tmp_path`: the BLAS is tried and built already."""
    shutil.copytree(first_start() / "cache", tmp_path, dirs_exist_ok=True)
