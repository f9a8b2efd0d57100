"""Who counts as local, and what scopes are for."""

import asyncio
from pathlib import Path
from types import SimpleNamespace

import pytest
from fastapi import Request
from fastapi.params import Depends as DependsMarker

from mlx_gui.api.auth import authenticate, requires
from mlx_gui.api.principal import LOCAL, Principal
from mlx_gui.core.errors import Forbidden, Unauthenticated
from tests.unit.api.parts import config, services


def who(
    data_dir: Path, *, peer: str | None, authorization: str = "", api_key: str = ""
) -> Principal:
    parts = services(config(data_dir))
    scope = {
        "type": "http",
        "app": SimpleNamespace(state=SimpleNamespace(services=parts)),
        "client": (peer, 50000) if peer is not None else None,
        "headers": [
            (b"authorization", authorization.encode()),
            (b"x-api-key", api_key.encode()),
        ],
    }

    async def ask() -> Principal:
        return await authenticate(Request(scope))

    return asyncio.run(ask())


@pytest.mark.parametrize("peer", ["127.0.0.1", "127.1.2.3", "::1", "::ffff:127.0.0.1", None])
@pytest.mark.parametrize("authorization", ["", "Bearer secret-token", "Bearer a-dummy", "Basic x"])
def test_whoever_is_on_this_machine_may_do_all(
    tmp_path: Path, peer: str | None, authorization: str
) -> None:
    assert who(tmp_path, peer=peer, authorization=authorization) == LOCAL


@pytest.mark.parametrize("peer", ["192.168.1.9", "fe80::1%en0", "::ffff:10.0.0.1", "unknown"])
def test_from_elsewhere_the_token_is_needed(tmp_path: Path, peer: str) -> None:
    assert who(tmp_path, peer=peer, authorization="Bearer secret-token") == LOCAL
    for authorization in ("", "Bearer", "Bearer wrong", "Bearer sécret", "Basic secret-token"):
        with pytest.raises(Unauthenticated) as refusal:
            who(tmp_path, peer=peer, authorization=authorization)
        assert "Bearer" in refusal.value.hint


def test_anthropics_header_takes_the_token_as_well(tmp_path: Path) -> None:
    peer = "192.168.1.9"
    assert who(tmp_path, peer=peer, api_key="secret-token") == LOCAL
    assert who(tmp_path, peer=peer, api_key="a-dummy", authorization="Bearer secret-token") == LOCAL
    with pytest.raises(Unauthenticated) as refusal:
        who(tmp_path, peer=peer, api_key="wrong", authorization="Bearer wrong")
    assert "x-api-key" in refusal.value.hint


def test_a_principal_without_the_scope_is_refused() -> None:
    reader = Principal("key-1", "team-a", frozenset({"models:read"}))
    needed = requires("models:manage")
    assert isinstance(needed, DependsMarker)
    assert needed.dependency is not None

    with pytest.raises(Forbidden, match="key-1 lacks the scope models:manage"):
        asyncio.run(needed.dependency(reader))
    assert asyncio.run(needed.dependency(LOCAL)) is LOCAL
