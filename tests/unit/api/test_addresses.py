"""Where the server can be reached, and why others cannot reach it."""

from pathlib import Path

import httpx
import pytest

from mlx_gui.api.manage.addresses.translate import (
    Interface,
    address_list,
    interfaces_here,
    reachable_addresses,
)
from mlx_gui.wire.addresses import AddressList
from tests.unit.api.parts import application, config, services, serving

INTERFACES = [
    Interface("lo", "127.0.0.1"),
    Interface("en0", "192.168.1.7"),
    Interface("lo", "::1"),
    Interface("en0", "fd00::7"),
]


@pytest.mark.parametrize(
    ("host", "address", "addresses"),
    [
        ("127.0.0.1", "http://127.0.0.1:8000", ["http://127.0.0.1:8000"]),
        (
            "0.0.0.0",
            "http://127.0.0.1:8000",
            ["http://127.0.0.1:8000", "http://192.168.1.7:8000"],
        ),
        (
            "::",
            "http://[::1]:8000",
            [
                "http://[::1]:8000",
                "http://127.0.0.1:8000",
                "http://192.168.1.7:8000",
                "http://[fd00::7]:8000",
            ],
        ),
    ],
)
def test_a_server_that_listens_everywhere_is_reached_at_every_interface(
    host: str, address: str, addresses: list[str]
) -> None:
    found = reachable_addresses(address, host, INTERFACES)
    assert [each.url for each in found] == addresses


def test_each_address_says_who_has_it_and_whether_a_key_is_needed() -> None:
    told = address_list(
        "http://127.0.0.1:8000", "0.0.0.0", interfaces=INTERFACES, names=["mac.lan"]
    )
    assert [(each.kind, each.interface, each.key_needed) for each in told.addresses] == [
        ("loopback", "lo", False),
        ("network", "en0", True),
        ("name", None, True),
    ]
    assert told.addresses[-1].url == "http://mac.lan:8000"
    assert (told.port, told.reason, told.hint) == (8000, None, None)


def test_a_server_for_this_machine_alone_says_so_and_how_that_is_changed() -> None:
    told = address_list("http://127.0.0.1:8000", "127.0.0.1", interfaces=INTERFACES, names=())
    assert [each.url for each in told.addresses] == ["http://127.0.0.1:8000"]
    assert told.reason is not None
    assert "127.0.0.1" in told.reason
    assert told.hint is not None
    alone = address_list("http://127.0.0.1:8000", "0.0.0.0", interfaces=INTERFACES[:1], names=())
    assert (alone.reason is None, alone.hint) == (False, None)


def test_a_server_on_one_interface_is_reached_there() -> None:
    told = address_list("http://[fd00::7]:80", "fd00::7", interfaces=INTERFACES, names=())
    assert [(each.url, each.kind, each.interface) for each in told.addresses] == [
        ("http://[fd00::7]:80", "network", "en0")
    ]
    assert told.reason is None


def test_the_endpoint_knows_this_machine(tmp_path: Path) -> None:
    parts = services(config(tmp_path, host="0.0.0.0", allowed_hosts=["mac.lan"]))
    with serving(application(parts)) as address, httpx.Client(base_url=address) as client:
        answer = client.get("/v1/system/addresses").raise_for_status()
    told = AddressList.model_validate_json(answer.content)
    urls = [each.url for each in told.addresses]
    assert urls[0] == "http://127.0.0.1:8000"
    assert urls[-1] == "http://mac.lan:8000"
    assert len(set(urls)) == len(urls)
    assert all(":" in each.address or each.address.count(".") == 3 for each in interfaces_here())
