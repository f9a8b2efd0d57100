"""What is said of where a hub may not send us."""

import httpx
import pytest

from mlx_gui.core.errors import HubAnswer
from mlx_gui.fetch.addresses import Border

HUB = "https://hub.example/org/name"


@pytest.mark.parametrize(
    ("target", "said"),
    [
        ("file:/etc/passwd", "to an address that begins with file:, and that is refused"),
        ("https://10.0.0.1/x", "to 10.0.0.1, an address within a private network, and"),
        ("https://127.0.0.1/x", "to 127.0.0.1, an address of this machine itself, and"),
        ("https://169.254.169.254/x", "to 169.254.169.254, an address that no hub has, and"),
        ("https://[64:ff9b::a9fe:a9fe]/x", "an address that no hub has, and"),
        ("https://[64:ff9b::a00:1]/x", "an address within a private network, and"),
        ("https://user:secret@cdn.example/x", "to an address with a user's name in it, and"),
        ("http://cdn.example/x", "to cdn.example without encryption, and"),
    ],
)
def test_a_refused_address_is_named_with_the_reason(target: str, said: str) -> None:
    border = Border(HUB, resolve=lambda host: ["93.184.216.34"])
    with pytest.raises(HubAnswer) as refused:
        border.follow(httpx.URL(HUB), target)
    assert said in refused.value.message
    assert "secret" not in refused.value.message


@pytest.mark.parametrize("address", ["93.184.216.34", "2606:4700::1111", "64:ff9b::5db8:d822"])
def test_a_public_address_is_one_also_behind_a_network_of_version_6(address: str) -> None:
    border = Border(HUB, resolve=lambda host: [address])
    assert border.follow(httpx.URL(HUB), "https://cdn.example/x").host == "cdn.example"
