"""Whether a request comes from this machine, also where proxies stand between.

A proxy says in headers for whom it asks, and so may anybody. They count where the setting
`trusted_proxies` names who sends them; from others they only say that it is not the peer who asks.
"""

import ipaddress
import re
from collections.abc import Iterable, Sequence

from starlette.datastructures import Headers

from mlx_gui.core.network import Address, Network, parse_address

_CHAIN = "x-forwarded-for"
_STANDARD = "forwarded"
_ADDRESS_HEADERS = frozenset(
    {
        _CHAIN,
        _STANDARD,
        "cf-connecting-ip",
        "cf-connecting-ipv6",
        "client-ip",
        "do-connecting-ip",
        "fastly-client-ip",
        "fly-client-ip",
        "proxy-client-ip",
        "true-client-ip",
        "wl-proxy-client-ip",
        "x-appengine-user-ip",
        "x-azure-clientip",
        "x-client-ip",
        "x-cluster-client-ip",
        "x-envoy-external-address",
        "x-nf-client-connection-ip",
        "x-original-forwarded-for",
        "x-proxyuser-ip",
        "x-real-ip",
        "x-remote-addr",
        "x-remote-ip",
        "x-vercel-forwarded-for",
    }
)
_OTHER_HEADERS = frozenset({"via", "cdn-loop", "cf-ray"})
_PREFIX = "x-forwarded"
_ELEMENT = re.compile(r'(?:[^,"]|"(?:[^"\\]|\\.)*")+')
_FOR = re.compile(r'(?:^|;)\s*for\s*=\s*(?:"([^"]*)"|([^\s;"]*))\s*(?=;|$)', re.IGNORECASE)


def is_local(peer: str | None, headers: Headers, trusted: Sequence[str]) -> bool:
    """Whether whoever asks is on this machine.

    `peer` is the other end of the connection, None where it is no address of a network. `trusted`
    are networks. Behind a trusted proxy every header with an address has to say so.
    """
    address = None if peer is None else parse_address(peer)
    if peer is not None and (address is None or not address.is_loopback):
        return False
    found = {name.replace("_", "-") for name in headers}
    found = {name for name in found if _is_a_proxys(name)}
    if not found:
        return True
    networks = [ipaddress.ip_network(each) for each in trusted]
    named = found & _ADDRESS_HEADERS
    if address is None or not _is_in(address, networks) or not named:
        return False
    askers = (_asker(_chain(name, headers), networks) for name in named)
    return all(asker is not None and asker.is_loopback for asker in askers)


def _is_a_proxys(name: str) -> bool:
    return name in _ADDRESS_HEADERS or name in _OTHER_HEADERS or name.startswith(_PREFIX)


def _chain(name: str, headers: Headers) -> list[Address | None]:
    """The addresses in all headers of this name, the farthest first."""
    values = [value for key, value in headers.items() if key.replace("_", "-") == name]
    text = ",".join(values)
    if name != _STANDARD:
        return [parse_address(each) for each in text.split(",")]
    pairs = [_FOR.findall(element) for element in _ELEMENT.findall(text)]
    return [parse_address("".join(pair[0])) if len(pair) == 1 else None for pair in pairs]


def _asker(chain: Sequence[Address | None], trusted: Iterable[Network]) -> Address | None:
    """Who asks: of those that a proxy has seen the last that is none itself.

    What stands before that one is its own word. None where it is no address.
    """
    for address in reversed(chain):
        if address is None or not _is_in(address, trusted):
            return address
    # Proxies all along; one that is elsewhere is not this machine.
    return next((each for each in chain if each and not each.is_loopback), chain[0])


def _is_in(address: Address, networks: Iterable[Network]) -> bool:
    return any(address in network for network in networks)
