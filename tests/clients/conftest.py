"""Real servers, one with the fake engine and one with tiny models, shared by all clients."""

from collections.abc import Iterator

import pytest

from tests.support.server import Server, running_server
from tests.zoo.cache import checkpoints

TINY = (
    "Qwen3-tiny",
    "Qwen3-tiny-trained",
    "SmolLM2-tiny",
    "SmolLM2-tiny-trained",
    "gemma-3-text-tiny",
)


@pytest.fixture(scope="package")
def fake(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with running_server(tmp_path_factory.mktemp("server")) as server:
        yield server


@pytest.fixture(scope="module")
def server(fake: Server) -> Server:
    """One that nobody has made crash yet: a model is left alone for a while after three times."""
    with fake.client() as client:
        client.post("/v1/models/fake/crash/unload").raise_for_status()
    return fake


@pytest.fixture(scope="package")
def real(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """One that has the `TINY` models, as `tiny/NAME`."""
    folder = tmp_path_factory.mktemp("real")
    models = folder / "models" / "tiny"
    models.mkdir(parents=True)
    for name, lies_in in zip(TINY, checkpoints(*TINY), strict=True):
        (models / name).symlink_to(lies_in)
    settings = {"model_dirs": folder / "models"}
    with running_server(folder, engine="mlx", settings=settings) as server:
        yield server
