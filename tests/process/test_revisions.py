"""An installed model beside the same one on the hub, which goes on meanwhile."""

from pathlib import Path

from tests.hub.server import HubServer
from tests.process.pulling import install, repo_folder, settings_of
from tests.process.visitor import Visitor, visited_server
from tests.unit.kinds.folders import write_model

PATH = "/v1/models/org/one/revision"


def test_a_newer_revision_is_seen_when_asked_for_and_takes_the_place(
    tmp_path: Path, hub: HubServer
) -> None:
    repo = hub.add("org/one", repo_folder(tmp_path / "first"))
    first = repo.head.sha
    plain = write_model(tmp_path / "models" / "plain")
    settings = settings_of(tmp_path, hub, model_dirs=f"{tmp_path / 'hub'}:{plain.parent}")
    with visited_server(tmp_path, engine="mlx", settings=settings) as server:
        install(server.client, "org/one").until("done")
        assert revision(server) == first
        same = server.client.get(PATH).raise_for_status().json()
        assert (same["revision"], same["newest"], same["newer"]) == (first, first, False)
        assert (same["repo"], same["branch"]) == ("org/one", "main")

        (tmp_path / "first" / "README.md").write_text("# A better one\n")
        second = repo.commit(tmp_path / "first").sha
        told = server.client.get(PATH).raise_for_status().json()
        assert (told["revision"], told["newest"], told["newer"]) == (first, second, True)
        assert told["newest_at"] == repo.last_modified

        install(server.client, "org/one", revision=told["branch"]).until("done")
        assert revision(server) == second
        assert not server.client.get(PATH).raise_for_status().json()["newer"]

        refused = server.client.get("/v1/models/plain/revision")
        assert (refused.status_code, refused.json()["error"]["code"]) == (409, "conflict")
        change = {"settings": {"offline": True}}
        server.client.patch("/v1/settings", json=change).raise_for_status()
        offline = server.client.get(PATH)
        assert (offline.status_code, offline.json()["error"]["code"]) == (409, "offline")


def revision(server: Visitor) -> str:
    return server.client.get("/v1/models/org/one").raise_for_status().json()["revision"]
