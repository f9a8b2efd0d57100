"""A server whose program is moved, or removed, while it runs: as pip or a person does it."""

import os
import shutil
import subprocess
import sys
import sysconfig
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest

import mlx_gui
from tests.support.installed import running_program
from tests.support.server import first_start
from tests.support.waiting import wait_until

MODEL = "fake/echo"
QUESTION: dict[str, Any] = {"model": MODEL, "messages": [{"role": "user", "content": "Hello"}]}


@dataclass(frozen=True, slots=True)
class Moved:
    """A server that was ready, and the environment that it runs from."""

    client: httpx.Client
    environment: Path
    package: Path

    @contextmanager
    def without(self, place: Path) -> Iterator[None]:
        """While `place` is somewhere else."""
        elsewhere = place.with_name(f"{place.name} moved")
        place.rename(elsewhere)
        try:
            yield
        finally:
            elsewhere.rename(place)

    def ask(self, **more: Any) -> httpx.Response:
        return self.client.post("/v1/chat/completions", json=QUESTION | more)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Moved]:
    """From an environment of its own, which has a copy of the package and a link to the others."""
    folder = tmp_path_factory.mktemp("moved")
    there = folder / "there"
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", there], check=True)
    (packages,) = there.glob("lib/python*/site-packages")
    source = Path(mlx_gui.__file__).parent
    package = shutil.copytree(source, packages / "mlx_gui")
    others = packages / "others"
    others.symlink_to(sysconfig.get_path("purelib"))
    (packages / "others.pth").write_text(f"{others}\n")
    shutil.copytree(first_start(), folder / "data")
    kept = {
        name: text
        for name, text in os.environ.items()
        if not name.startswith(("MLX_GUI_", "PYTHON"))
    }
    asked = [there / "bin" / "python", "-P", "-m", "mlx_gui", "start", "--engine", "fake"]
    with (
        running_program(asked, folder, environment=kept | {"MLX_GUI_WARM_SPARE": "0"}) as running,
        running.client() as client,
    ):
        wait_until(lambda: client.get("/ready").status_code == 200, what="the start")
        yield Moved(client, there, package)


def test_whoever_needs_a_child_then_is_told_so_in_the_words_of_the_api(server: Moved) -> None:
    server.client.post("/v1/models/unload-all", params={"when": "idle"}).raise_for_status()
    with server.without(server.environment):
        refusals = [
            (server.ask(), openai_error),
            (server.ask(stream=True), openai_error),
            (server.client.post("/v1/messages", json=QUESTION | {"max_tokens": 9}), openai_error),
            (server.client.post("/api/chat", json=QUESTION), ollama_error),
            (server.client.post(f"/v1/models/{MODEL}/load", json={}), openai_error),
        ]
        for refused, message in refusals:
            assert refused.status_code == 503, refused.text
            assert "was moved or removed since the server started." in message(refused.json())
        assert server.ask().json()["error"]["code"] == "program_gone"
        assert server.ask().json()["error"]["hint"]
        assert server.client.get("/health").status_code == 200
        assert server.client.get("/v1/system/status").status_code == 200
        page = server.client.get("/admin/")
        assert page.status_code == 503
        assert "was moved or removed" in page.text
    assert server.ask().status_code == 200


def test_a_package_that_is_uninstalled_is_told_of_too(server: Moved) -> None:
    server.client.post("/v1/models/unload-all", params={"force": "true"}).raise_for_status()
    with server.without(server.package):
        refused = server.ask()
        assert refused.status_code == 503, refused.text
        assert "was moved or removed" in openai_error(refused.json())
    assert server.ask().status_code == 200


def openai_error(body: dict[str, Any]) -> str:
    """Anthropic's has its message in the same place."""
    return body["error"]["message"]


def ollama_error(body: dict[str, Any]) -> str:
    return body["error"]
