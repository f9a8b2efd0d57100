"""What a child is to fetch from a hub, as plain data."""

from typing import Literal

import msgspec


class FetchFile(msgspec.Struct, frozen=True):
    """One file: where the hub gives it, where it goes, and what it must be.

    `name` is for people. `target` appears once the digest holds; until then the bytes are in
    `part`, and `journal` says which of them are on the disk. `lock` keeps others from fetching it.
    With `xet_hash` it comes from the hub's Xet store, which knows it by that, and not from `url`.
    """

    name: str
    url: str
    target: str
    part: str
    journal: str
    lock: str
    size_bytes: int
    digest: str
    algorithm: Literal["sha256", "git-sha1"]
    xet_hash: str | None = None


class FetchOrder(msgspec.Struct, frozen=True):
    """The files of one repo, in the order in which they are begun.

    The token goes to `endpoint` and nowhere else. `lock` is held all the time. 0 bytes per second
    are no limit. A connection that brings nearly nothing for `stall_s` is given up, the whole when
    nothing has come for `patience_s`. At `xet_access_url` the hub gives a key to its Xet store.
    """

    files: tuple[FetchFile, ...]
    endpoint: str
    token: str | None
    lock: str
    agent: str
    connections: int
    bytes_per_s: int
    stall_s: float
    patience_s: float
    xet_access_url: str = ""


FetchStage = Literal["wait", "download", "verify"]


class FetchState(msgspec.Struct, frozen=True):
    """How far it is. Bytes are counted when they are on the disk, files when they are verified.

    `came_bytes` are those that came over the network since the beginning, for its speed.
    """

    stage: FetchStage
    done_bytes: int
    came_bytes: int
    files_done: int
    current: str
    note: str = ""
