"""Which addresses are of the public network, and of no machine that only we can reach."""

import ipaddress

_UNICAST = ipaddress.ip_network("2000::/3")
_HOLDING_OTHERS = tuple(
    ipaddress.ip_network(each) for each in ("2001::/23", "2002::/16", "2001:db8::/32", "3fff::/20")
)
"""Of version 6: tunnels to an address of version 4, and what is for documentation."""
_RELAYS = ipaddress.ip_network("192.88.99.0/24")


def is_public(address: str) -> bool:
    """Whether anybody may reach the machine at `address`, an address as the system writes it.

    Not so: this machine, networks that are private, local or shared by a provider, groups, what is
    reserved, and addresses of version 6 that stand for one of version 4.
    """
    try:
        parsed = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return False
    if isinstance(parsed, ipaddress.IPv6Address):
        return parsed in _UNICAST and not any(parsed in network for network in _HOLDING_OTHERS)
    return (
        parsed.is_global
        and not parsed.is_multicast
        and not parsed.is_reserved
        and parsed not in _RELAYS
    )
