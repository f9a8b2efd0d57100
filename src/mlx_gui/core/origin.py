"""Where a page comes from, as browsers write it in `Origin`, read to the letter."""

import ipaddress
import re
from dataclasses import dataclass

from mlx_gui.core.setting_row import Unfit

_LONGEST = 300
_DEFAULT_PORTS = {"http": 80, "https": 443}
_HIGHEST_PORT = 65_535
_PORT = r"(?::([1-9][0-9]{0,4}))?"
_WEB = re.compile(rf"(https?)://(\[[0-9a-f:.]+\]|[a-z0-9_-]+(?:\.[a-z0-9_-]+)*){_PORT}")
_OTHER = re.compile(rf"([a-z][a-z0-9+.-]*)://([A-Za-z0-9._~-]*){_PORT}")


@dataclass(frozen=True, slots=True)
class Origin:
    """`host` is in lower case and without brackets; `port` is None for the scheme's own one."""

    scheme: str
    host: str
    port: int | None = None


NO_ORIGIN = Origin("null", "")
"""What a page has that may not say where it comes from: in a sandbox, of a file, of data."""


def parse_origin(text: str) -> Origin | None:
    """The origin that `text` is; None where no browser writes one so.

    They write small letters, no user, no path, and no dot behind the name.
    """
    if len(text) > _LONGEST:
        return None
    if text == "null":
        return NO_ORIGIN
    found = (_WEB if text.startswith(("http:", "https:")) else _OTHER).fullmatch(text)
    if found is None:
        return None
    scheme, host, port_text = found.groups()
    port = int(port_text) if port_text else None
    if port is not None and port > _HIGHEST_PORT:
        return None
    if host.startswith("["):
        try:
            host = str(ipaddress.IPv6Address(host[1:-1]))
        except ValueError:
            return None
    return Origin(scheme, host, None if port == _DEFAULT_PORTS.get(scheme) else port)


def listed_origin(text: str) -> str:
    """`text` out of a list of origins, as `parse_origin` reads it. Raises Unfit.

    `scheme://*` stands for all origins of a scheme that is not the web's, like those of a browser's
    extensions, whose names differ from one installation to the next.
    """
    if text == "*":
        raise Unfit(
            "without `*`: every web page could use this server, and it has no keys that would ask "
            "who it is"
        )
    scheme, separator, host = text.partition("://")
    scheme, host = scheme.lower(), host.rstrip("/")
    if scheme in _DEFAULT_PORTS:
        host = host.lower()
    any_of_scheme = host == "*" and scheme not in _DEFAULT_PORTS
    plain = f"{scheme}{separator}{host}"
    if parse_origin(f"{scheme}://" if any_of_scheme else plain) is None:
        raise Unfit(
            "a list of origins like `https://chat.example`, `http://10.0.0.7:3000` or "
            "`moz-extension://*`"
        )
    return plain
