"""Who is let in by a real server, and what is not read to its end."""

import select
from collections.abc import Iterator
from contextlib import closing
from http.client import HTTPConnection
from urllib.parse import urlsplit

import httpx
import pytest

from tests.support.server import PROGRAM, Server, running_server


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("FORWARDED_ALLOW_IPS", "*")
        settings = {"prot": 1, "service_host": "10.0.0.11", "port_8000_tcp_addr": "10.0.0.11"}
        folder = tmp_path_factory.mktemp("server")
        with running_server(folder, settings=settings, program=PROGRAM) as server:
            yield server


def test_the_environment_makes_no_proxy_trusted(server: Server) -> None:
    with server.client() as client:
        assert client.get("/v1/manager/status").status_code == 200
        for sent in ({"x-forwarded-for": "127.0.0.1"}, {"forwarded": "for=127.0.0.1"}):
            refused = client.post("/v1/models/fake/echo/load", headers=sent)
            assert refused.status_code == 401, refused.text
            key = {"authorization": f"Bearer {server.token}"}
            assert client.get("/v1/manager/status", headers={**sent, **key}).status_code == 200


def test_a_misspelled_variable_is_named_in_the_log_and_a_link_is_not(server: Server) -> None:
    log = server.log.read_text()
    assert "Did you mean MLX_GUI_PORT?" in log
    assert log.count("variable_ignored") == 1


def test_a_connection_is_kept_for_longer_than_httpx_would_use_it_again(server: Server) -> None:
    kept_s = httpx.Limits().keepalive_expiry
    assert kept_s
    with closing(HTTPConnection(urlsplit(server.address).netloc, timeout=60)) as connection:
        connection.request("GET", "/health")
        assert connection.getresponse().read()
        ended, _, _ = select.select([connection.sock], [], [], kept_s + 0.5)
        assert not ended
