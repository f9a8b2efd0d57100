"""Who is let in by a real server, and what is not read to its end."""

from collections.abc import Iterator

import pytest

from tests.support.server import Server, running_server


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("FORWARDED_ALLOW_IPS", "*")
        with running_server(tmp_path_factory.mktemp("server")) as server:
            yield server


def test_the_environment_makes_no_proxy_trusted(server: Server) -> None:
    with server.client() as client:
        assert client.get("/v1/manager/status").status_code == 200
        for sent in ({"x-forwarded-for": "127.0.0.1"}, {"forwarded": "for=127.0.0.1"}):
            refused = client.post("/v1/models/fake/echo/load", headers=sent)
            assert refused.status_code == 401, refused.text
            key = {"authorization": f"Bearer {server.token}"}
            assert client.get("/v1/manager/status", headers={**sent, **key}).status_code == 200
