"""A model in memory is removed from the disk, and a real one answers again when it is back."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.process.visitor import Visitor, visited_server
from tests.zoo.cache import checkpoint

NAME = "Qwen3-tiny-trained"
MODEL = f"tiny/{NAME}"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Visitor]:
    folder = tmp_path_factory.mktemp("real")
    shutil.copytree(checkpoint(NAME), folder / "models" / "tiny" / NAME)
    settings = {"model_dirs": folder / "models", "max_context_tokens": 1024}
    with visited_server(folder, engine="mlx", settings=settings) as visitor:
        yield visitor


@pytest.mark.soak
def test_a_model_in_memory_leaves_it_and_answers_again_when_it_is_back(server: Visitor) -> None:
    server.client.put("/v1/aliases/gpt-4o", json={"model": MODEL}).raise_for_status()
    assert server.ask("gpt-4o", "Hello", max_tokens=2).status_code == 200
    worker = server.worker(MODEL)

    gone = server.client.delete(f"/v1/models/{MODEL}").raise_for_status().json()
    worker.wait(60)
    assert server.status()["loaded_models"] == []
    refused = server.ask("gpt-4o", "Hello", max_tokens=2)
    assert refused.status_code == 404
    assert "stands for" in refused.json()["error"]["message"]

    server.client.post(f"/v1/trash/{gone['trash_id']}/restore").raise_for_status()
    assert server.ask("gpt-4o", "Hello", max_tokens=2).status_code == 200
    server.client.delete("/v1/aliases/gpt-4o").raise_for_status()


def test_a_model_that_answers_is_only_removed_by_force(server: Visitor) -> None:
    with server.stream(MODEL, "Hello", max_tokens=900, n=4, ignore_eos=True) as stream:
        stream.text()
        refused = server.client.delete(f"/v1/models/{MODEL}")
        assert (refused.status_code, refused.json()["error"]["code"]) == (409, "conflict")
        assert "force" in refused.json()["error"]["hint"]
        gone = server.client.delete(f"/v1/models/{MODEL}?force=true").raise_for_status().json()
    assert server.client.get(f"/v1/models/{MODEL}").status_code == 404
    server.client.post(f"/v1/trash/{gone['trash_id']}/restore").raise_for_status()
    assert Path(server.client.get(f"/v1/models/{MODEL}").json()["path"]).exists()
