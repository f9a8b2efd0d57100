"""From what the server listens on to where it can be reached."""

import ipaddress
import socket
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from urllib.parse import urlsplit

import psutil

from mlx_gui.wire.addresses import AddressBody, AddressList

_EVERYWHERE = ("0.0.0.0", "::")


@dataclass(frozen=True, slots=True)
class Interface:
    """A network interface of this machine, by one of its IP addresses."""

    name: str
    address: str


def interfaces_here() -> list[Interface]:
    """Those that are up, with addresses that others could use; none where nobody tells."""
    try:
        found, states = psutil.net_if_addrs(), psutil.net_if_stats()
    except OSError:
        return []
    return [
        Interface(name, each.address)
        for name, addresses in found.items()
        for each in addresses
        if each.family in (socket.AF_INET, socket.AF_INET6)
        # One with a zone means something else on each machine.
        and "%" not in each.address
        and (name not in states or states[name].isup)
    ]


def reachable_addresses(
    address: str, host: str, interfaces: Iterable[Interface]
) -> list[AddressBody]:
    """`address`, and where the server listens on all `interfaces` those as well."""
    interfaces = list(interfaces)
    port = address.rpartition(":")[2]
    urls = {address: _interface_of(address, interfaces)}
    if host in _EVERYWHERE:
        for each in interfaces:
            if ":" not in each.address or host == "::":
                urls.setdefault(_url(each.address, port), each.name)
    return [_body(url, name) for url, name in urls.items()]


def address_list(
    address: str, host: str, *, interfaces: Sequence[Interface], names: Iterable[str]
) -> AddressList:
    """All of them, with the `names` that requests may address the server by."""
    port = address.rpartition(":")[2]
    reachable = reachable_addresses(address, host, interfaces)
    named = [
        AddressBody(url=_url(name, port), kind="name", interface=None, key_needed=True)
        for name in names
    ]
    open_to_others = any(each.kind == "network" for each in reachable)
    return AddressList(
        host=host,
        port=int(port),
        addresses=[*reachable, *named],
        reason=None
        if open_to_others
        else f"The server listens on {host}, which only programs of this machine reach."
        if host not in _EVERYWHERE
        else "This machine has no network interface that others could reach.",
        hint=None
        if open_to_others or host in _EVERYWHERE
        else "Set `host` to 0.0.0.0 and start the server again. Requests from elsewhere need its "
        "key.",
    )


def _url(host: str, port: str) -> str:
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


def _interface_of(url: str, interfaces: Iterable[Interface]) -> str | None:
    host = urlsplit(url).hostname
    return next((each.name for each in interfaces if each.address == host), None)


def _body(url: str, interface: str | None) -> AddressBody:
    loopback = ipaddress.ip_address(urlsplit(url).hostname or "").is_loopback
    return AddressBody(
        url=url,
        kind="loopback" if loopback else "network",
        interface=interface,
        key_needed=not loopback,
    )
