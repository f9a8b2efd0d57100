"""Addresses, networks and tokens as settings and headers write them."""

import ipaddress
import re
from urllib.parse import urlsplit

from mlx_gui.core.setting_row import Unfit

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
Network = ipaddress.IPv4Network | ipaddress.IPv6Network

_ADDRESS = re.compile(r"[!-~]{1,500}")
_TOKEN = re.compile(r"[!-~]{1,1000}")


def listed_network(text: str) -> str:
    """`text` as a network; one address is a network of its own. Raises Unfit."""
    try:
        return str(ipaddress.ip_network(text))
    except ValueError:
        raise Unfit(
            "a list of addresses or networks like `127.0.0.1` or `10.0.0.0/8`, without bits of "
            "hosts"
        ) from None


def listed_endpoint(text: str) -> str:
    """`text` as the address of a hub, without a slash at its end. Raises Unfit."""
    try:
        split = urlsplit(text)
        fits = split.scheme in ("http", "https") and bool(split.hostname) and split.port != 0
    except ValueError:
        fits = False
    else:
        fits = fits and "@" not in split.netloc and "?" not in text and "#" not in text
    if not fits or not _ADDRESS.fullmatch(text):
        raise Unfit("an address like `https://huggingface.co`, without user, `?` and `#`")
    return text.rstrip("/")


def listed_collector(text: str) -> str:
    """`text` as the address of a collector of traces, or `off`. Raises Unfit."""
    if text == "off":
        return text
    try:
        return listed_endpoint(text)
    except Unfit:
        raise Unfit(
            "off, or an address like `http://127.0.0.1:4318`, without user, `?` and `#`"
        ) from None


def is_here(address: str) -> bool:
    """Whether the URL `address` is one of this machine itself."""
    host = urlsplit(address).hostname or ""
    parsed = parse_address(host)
    return host == "localhost" if parsed is None else parsed.is_loopback


def listed_token(text: str) -> str:
    """`text` as a token that a header can carry. Raises Unfit."""
    if not _TOKEN.fullmatch(text):
        raise Unfit("a token: letters, digits and signs, at most 1000 of them, without spaces")
    return text


def parse_address(text: str) -> Address | None:
    """The address that `text` is, with or without a port; None where it is none.

    An address of version 4 that is written as one of version 6 is of version 4.
    """
    host = text.strip()
    if host.startswith("["):
        host, bracket, port = host[1:].partition("]")
        if not bracket or (port and not _is_port(port)):
            return None
    elif host.count(":") == 1:
        host, colon, port = host.partition(":")
        if not _is_port(colon + port):
            return None
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return None
    mapped = address.ipv4_mapped if isinstance(address, ipaddress.IPv6Address) else None
    return mapped or address


def _is_port(text: str) -> bool:
    return text.startswith(":") and text[1:].isdecimal()
