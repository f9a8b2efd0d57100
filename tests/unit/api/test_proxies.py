"""Whose word counts about where a request comes from."""

import httpx
import pytest
from starlette.datastructures import Headers

from mlx_gui.api.proxies import is_local

PROXY = ("127.0.0.1/32", "10.0.0.0/8")
REMOTE = "203.0.113.9"


def local(
    *headers: tuple[str, str], peer: str | None = "127.0.0.1", trusted: tuple[str, ...] = ()
) -> bool:
    raw = [(name.encode(), value.encode("latin-1")) for name, value in headers]
    return is_local(peer, Headers(raw=raw), trusted)


@pytest.mark.parametrize("peer", ["127.0.0.1", "127.9.9.9", "::1", "::ffff:127.0.0.1", None])
def test_a_peer_of_this_machine_is_local(peer: str | None) -> None:
    assert local(peer=peer)
    assert local(("user-agent", "curl"), ("x-request-id", "1"), ("host", "localhost"), peer=peer)


@pytest.mark.parametrize("peer", ["10.0.0.1", "::ffff:10.0.0.1", "fe80::1%en0", "", "nobody"])
def test_another_peer_is_not_whatever_it_or_a_proxy_says(peer: str) -> None:
    assert not local(peer=peer)
    assert not local(("x-forwarded-for", "127.0.0.1"), peer=peer, trusted=PROXY)


@pytest.mark.parametrize(
    "name",
    [
        "x-forwarded-for",
        "x_forwarded_for",
        "forwarded",
        "x-real-ip",
        "cf-connecting-ip",
        "true-client-ip",
        "x-client-ip",
        "x-cluster-client-ip",
        "fly-client-ip",
        "fastly-client-ip",
        "x-original-forwarded-for",
        "x-forwarded",
        "x-forwarded-host",
        "x-forwarded-proto",
        "x-forwarded-port",
        "x-forwarded-server",
        "via",
        "cdn-loop",
    ],
)
@pytest.mark.parametrize("value", ["127.0.0.1", "for=127.0.0.1", "::1", "", "https", REMOTE])
@pytest.mark.parametrize("peer", ["127.0.0.1", "::1", None])
def test_a_request_with_a_proxys_header_is_never_local_by_itself(
    name: str, value: str, peer: str | None
) -> None:
    assert not local((name, value), peer=peer)
    # Nor where another proxy than this peer is trusted.
    assert not local((name, value), peer=peer, trusted=("10.0.0.0/8",))


@pytest.mark.parametrize(
    ("headers", "expected"),
    [
        ([("x-forwarded-for", "127.0.0.1")], True),
        ([("x-forwarded-for", "::1")], True),
        ([("x-forwarded-for", "[::1]:4000")], True),
        ([("x-forwarded-for", "127.0.0.1:4000")], True),
        ([("x-forwarded-for", "::ffff:127.0.0.1")], True),
        (
            [("x-forwarded-for", "127.0.0.1"), ("x-forwarded-proto", "https"), ("via", "1.1 a")],
            True,
        ),
        ([("forwarded", "for=127.0.0.1;proto=https")], True),
        ([("forwarded", 'proto=https; For="[::1]:4000"')], True),
        ([("forwarded", "for=127.0.0.1, for=127.0.0.1")], True),
        ([("x-real-ip", "127.0.0.1"), ("x-forwarded-for", "127.0.0.1")], True),
        ([("x-forwarded-for", REMOTE)], False),
        # What a client sends itself stands to the left of what the proxy has seen.
        ([("x-forwarded-for", f"127.0.0.1, {REMOTE}")], False),
        ([("x-forwarded-for", f"127.0.0.1, {REMOTE}, 10.0.0.7")], False),
        ([("x-forwarded-for", f"127.0.0.1, {REMOTE}, 10.0.0.7, 127.0.0.1")], False),
        ([("x-forwarded-for", f"{REMOTE}, 127.0.0.1")], False),
        ([("x-forwarded-for", "127.0.0.1"), ("x-forwarded-for", REMOTE)], False),
        ([("x-forwarded-for", REMOTE), ("x-forwarded-for", "127.0.0.1")], False),
        ([("x-forwarded-for", "127.0.0.1, 10.0.0.7")], False),
        ([("x-forwarded-for", "10.0.0.7")], False),
        ([("forwarded", f"for=127.0.0.1, for={REMOTE}")], False),
        ([("forwarded", f'for="127.0.0.1, for={REMOTE}"')], False),
        ([("forwarded", f'for=127.0.0.1;by="a,b", for={REMOTE}')], False),
        ([("forwarded", f"for=127.0.0.1;for={REMOTE}")], False),
        ([("forwarded", "by=127.0.0.1")], False),
        ([("forwarded", "for=_hidden")], False),
        ([("forwarded", 'for="127.0.0.1')], False),
        ([("forwarded", "xfor=127.0.0.1")], False),
        # A proxy sets one header and leaves what the client said in the others.
        ([("x-forwarded-for", REMOTE), ("forwarded", "for=127.0.0.1")], False),
        ([("forwarded", f"for={REMOTE}"), ("x-forwarded-for", "127.0.0.1")], False),
        ([("x-forwarded-for", REMOTE), ("x-real-ip", "127.0.0.1")], False),
        ([("x-real-ip", REMOTE)], False),
        ([("cf-connecting-ip", REMOTE), ("x-forwarded-for", "127.0.0.1")], False),
        ([("x-forwarded-for", "")], False),
        ([("x-forwarded-for", ",")], False),
        ([("x-forwarded-for", "127.0.0.1,")], False),
        ([("x-forwarded-for", "unknown")], False),
        ([("x-forwarded-for", "localhost")], False),
        ([("x-forwarded-for", "127.1")], False),
        ([("x-forwarded-for", "127.0.0.1:")], False),
        ([("x-forwarded-for", "127.0.0.1:x")], False),
        ([("x-forwarded-for", "[127.0.0.1")], False),
        ([("x-forwarded-for", "[::1")], False),
        ([("x-forwarded-for", "127.0.0.1\xa0x")], False),
        ([("x-forwarded-for", "0x7f.0.0.1")], False),
        ([("x-forwarded-for", "127.0.0.1 " + REMOTE)], False),
        ([("x-forwarded-for", ",".join(["127.0.0.1"] * 3000 + [REMOTE]))], False),
        # A proxy that does not say for whom it asks.
        ([("x-forwarded-proto", "https")], False),
        ([("via", "1.1 a")], False),
    ],
)
def test_behind_a_trusted_proxy_the_last_one_that_is_none_counts(
    headers: list[tuple[str, str]], expected: bool
) -> None:
    assert local(*headers, trusted=PROXY) is expected
    assert not local(*headers)


@pytest.mark.parametrize(
    "headers",
    [{"x-forwarded-for": "127.0.0.1"}, {"forwarded": "for=127.0.0.1"}, {"via": "1.1 proxy"}],
)
@pytest.mark.parametrize("path", ["/v1/models", "/api/tags", "/v1/manager/status"])
def test_such_a_request_needs_the_key(address: str, path: str, headers: dict[str, str]) -> None:
    refused = httpx.get(f"{address}{path}", headers=headers)
    assert refused.status_code == 401
    assert "trusted_proxies" in refused.text

    key = {"authorization": "Bearer secret-token"}
    assert httpx.get(f"{address}{path}", headers={**headers, **key}).status_code == 200
