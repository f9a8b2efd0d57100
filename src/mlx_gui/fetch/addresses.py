"""Where a hub may send us: not to a file, and not into a network that it is not in itself."""

import ipaddress
import socket
from collections.abc import Callable, Collection, Mapping
from typing import Literal
from urllib.parse import urljoin

import httpx

from mlx_gui.core.errors import HubAnswer

Network = Literal["public", "private", "loopback", "other"]
Resolve = Callable[[str], Collection[str]]

_WHERE: Mapping[Network, str] = {
    "public": "of a public network",
    "private": "within a private network",
    "loopback": "of this machine itself",
    "other": "that no hub has",
}
_PORTS = {"http": 80, "https": 443}
_NAT64 = ipaddress.ip_network("64:ff9b::/96")
"""Where a network of version 6 alone has the machines of version 4, public or not."""


def origin_of(url: httpx.URL) -> tuple[str, str, int | None]:
    """Two URLs are of one server where this is the same."""
    return (url.scheme, url.host, url.port or _PORTS.get(url.scheme))


def resolve_host(host: str) -> frozenset[str]:
    """The addresses of `host`; none where it is not known, as behind a proxy."""
    try:
        found = socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError):
        return frozenset()
    return frozenset(str(each[4][0]).partition("%")[0] for each in found)


def network_of(address: str) -> Network:
    """What sort of network an address is of; `other` is what no hub is in."""
    parsed = ipaddress.ip_address(address)
    if isinstance(parsed, ipaddress.IPv6Address):
        inside = ipaddress.IPv4Address(int(parsed) & 0xFFFF_FFFF) if parsed in _NAT64 else None
        parsed = parsed.ipv4_mapped or inside or parsed
    if parsed.is_loopback:
        return "loopback"
    if parsed.is_link_local or parsed.is_multicast or parsed.is_reserved or parsed.is_unspecified:
        return "other"
    return "private" if parsed.is_private or not parsed.is_global else "public"


class Border:
    """Checks where a hub at `endpoint` sends us, and what it gets of our secrets there."""

    def __init__(self, endpoint: str, *, resolve: Resolve = resolve_host) -> None:
        self._endpoint = httpx.URL(endpoint)
        self._resolve = resolve
        self._home: frozenset[Network] | None = None
        self._passed: set[str] = set()

    def is_hub(self, url: httpx.URL) -> bool:
        """Whether the token may go there."""
        return origin_of(url) == origin_of(self._endpoint)

    def follow(self, url: httpx.URL, location: str) -> httpx.URL:
        """Where `location` leads from `url`. Raises HubAnswer where nobody should go."""
        try:
            target = httpx.URL(urljoin(str(url), location))
        except (httpx.InvalidURL, ValueError) as error:
            raise _refused("an address that is none") from error
        if target.userinfo:
            raise _refused("an address with a user's name in it")
        if target.scheme not in _PORTS or not target.host:
            raise _refused(f"an address that begins with {target.scheme or 'no scheme'}:")
        if url.scheme == "https" and target.scheme != "https":
            raise _refused(f"{target.host} without encryption")
        if origin_of(target) not in (origin_of(url), origin_of(self._endpoint)):
            self._check_host(target.host)
        return target

    def _check_host(self, host: str) -> None:
        if host in self._passed:
            return
        for address in _addresses(host, self._resolve):
            network = network_of(address)
            if network == "public":
                continue
            if network == "other" or network not in self._networks_of_hub():
                raise _refused(f"{host}, an address {_WHERE[network]}")
        self._passed.add(host)

    def _networks_of_hub(self) -> frozenset[Network]:
        if self._home is None:
            addresses = _addresses(self._endpoint.host, self._resolve)
            self._home = frozenset([network_of(each) for each in addresses])
        return self._home


def _addresses(host: str, resolve: Resolve) -> Collection[str]:
    try:
        return [str(ipaddress.ip_address(host))]
    except ValueError:
        return resolve(host)


def _refused(where: str) -> HubAnswer:
    return HubAnswer(
        f"The hub sends us on to {where}, and that is refused.",
        hint="Check the setting hub_endpoint, and whether something stands between here and it.",
    )
