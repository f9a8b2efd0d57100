"""The JSON of where the server can be reached."""

from typing import Literal

from pydantic import BaseModel


class AddressBody(BaseModel):
    """An address of the server. `loopback` is for programs of this machine alone.

    `interface` is the network interface that has it. A `name` is one of `allowed_hosts`: whether it
    leads here is for others to say, such as a proxy. `key_needed` tells whether a request that
    comes by it has to bring the server's key.
    """

    url: str
    kind: Literal["loopback", "network", "name"]
    interface: str | None
    key_needed: bool


class AddressList(BaseModel):
    """Where the server can be reached. `host` and `port` are what it listens on.

    `reason` says why other machines cannot reach it, and `hint` what to do about that; both are
    null where they can.
    """

    host: str
    port: int
    addresses: list[AddressBody]
    reason: str | None
    hint: str | None
