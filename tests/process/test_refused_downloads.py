"""What cannot be installed is refused before anything of it is fetched."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.hub.faults import Fault
from tests.hub.server import HubServer
from tests.process.pulling import left_behind, repo_folder, settings_of
from tests.process.visitor import Visitor, visited_server


@pytest.mark.parametrize(
    ("asked", "status", "code"),
    [
        ({"model_id": "../x"}, 400, "invalid_request"),
        ({"model_id": "org/../x"}, 400, "invalid_request"),
        ({"model_id": "https://elsewhere/x"}, 400, "invalid_request"),
        ({"model_id": "file:/x"}, 400, "invalid_request"),
        ({"model_id": "org/a b"}, 400, "invalid_request"),
        ({"model_id": "org/a\x00b"}, 400, "invalid_request"),
        ({"model_id": "x" * 500}, 400, "invalid_request"),
        ({"model_id": ""}, 400, "invalid_request"),
        ({"model_id": 7}, 400, "invalid_request"),
        ({}, 400, "invalid_request"),
        ({"model_id": "org/noise", "revision": "../main"}, 400, "invalid_request"),
        ({"model_id": "org/noise", "revision": "main?x=1"}, 400, "invalid_request"),
        ({"model_id": "org/noise", "files": ["*.py"]}, 400, "invalid_request"),
        ({"model_id": "org/noise", "files": ["nothing"]}, 400, "invalid_request"),
        ({"model_id": "org/noise", "files": [""]}, 400, "invalid_request"),
        ({"model_id": "org/lost"}, 404, "model_not_on_hub"),
        ({"model_id": "org/noise", "revision": "lost"}, 404, "model_not_on_hub"),
        ({"model_id": "org/gated"}, 403, "gated_model"),
        ({"model_id": "org/pickles"}, 422, "not_servable"),
        ({"model_id": "org/code"}, 422, "not_servable"),
        ({"model_id": "org/empty"}, 422, "not_servable"),
        ({"model_id": "org/half"}, 422, "not_servable"),
    ],
)
def test_what_cannot_be_installed_is_refused_and_leaves_nothing(
    refusing: Visitor, asked: dict[str, object], status: int, code: str
) -> None:
    client = refusing.client
    answer = client.post("/v1/models/install", json=asked)
    error = answer.json()["error"]
    assert (answer.status_code, error["code"]) == (status, code), error
    assert error["message"]
    assert error["hint"]
    assert client.get("/v1/downloads").json()["data"] == []
    assert left_behind(refusing.server.data_dir.parent / "hub") == []


@pytest.fixture(scope="module")
def refusing(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Visitor]:
    """A server whose hub has what nobody can serve."""
    folder = tmp_path_factory.mktemp("refusing")
    with HubServer() as hub:
        hub.add("org/noise", repo_folder(folder / "noise"))
        hub.add("org/gated", folder / "noise", gated="auto")
        for name, files in {
            "pickles": ("config.json", "pytorch_model.bin"),
            "code": ("config.json", "modeling_own.py"),
            "empty": ("README.md",),
        }.items():
            (folder / name).mkdir()
            for file in files:
                (folder / name / file).write_text("{}")
            hub.add(f"org/{name}", folder / name)
        half = repo_folder(folder / "half", shards=2)
        (half / "model-00002-of-00002.safetensors").unlink()
        hub.add("org/half", half)
        (folder / "hub").mkdir()
        with visited_server(folder, settings=settings_of(folder, hub)) as visitor:
            yield visitor


def test_a_refusal_names_the_repo_that_has_the_model_converted(
    slow: Visitor, hub: HubServer, tmp_path: Path, noise: Path
) -> None:
    folder = tmp_path / "pickles"
    folder.mkdir()
    for name in ("config.json", "pytorch_model.bin"):
        (folder / name).write_text("{}")
    hub.add("org/pickles", folder)
    hub.change("org/noise", base_model="org/pickles", tags=("mlx",))
    answer = slow.client.post("/v1/models/install", json={"model_id": "org/pickles"})
    assert answer.status_code == 422
    assert "org/noise" in answer.json()["error"]["hint"]


@pytest.mark.parametrize(
    "fault",
    [
        Fault("status", where="resolve", status=302, headers={"Location": "file:/x"}, times=None),
        Fault("status", where="resolve", status=200, body=b"<html>sign in</html>", times=None),
        Fault(
            "status",
            where="resolve",
            status=302,
            headers={"Location": "http://169.254.169.254/x"},
            times=None,
        ),
        Fault("status", where="api", status=200, body=b"<html>no</html>", times=None),
        Fault("status", where="api", status=200, body=b'{"sha": "', times=None),
        Fault("status", where="api", status=302, headers={"Location": "/api/models/x"}, times=None),
    ],
    ids=["file", "a page for a file", "private", "a page", "half", "a circle"],
)
def test_a_hub_that_leads_astray_is_not_followed(
    slow: Visitor, noise: Path, tmp_path: Path, hub: HubServer, fault: Fault
) -> None:
    hub.fault("*", fault)
    answer = slow.client.post("/v1/models/install", json={"model_id": "org/noise"})
    assert answer.status_code == 502, answer.text
    assert answer.json()["error"]["code"] in ("hub_answer", "hub_unreachable")
    assert left_behind(tmp_path / "hub") == []
