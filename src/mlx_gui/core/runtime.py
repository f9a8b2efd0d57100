"""What a running server leaves in its data directory, so that CLI and tray find it."""

import msgspec

RUNTIME_FILE = "runtime.json"


class Runtime(msgspec.Struct, frozen=True):
    """`token` opens the server at `address` to whoever can read the file: its owner."""

    address: str
    pid: int
    version: str
    token: str
