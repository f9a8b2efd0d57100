"""What goes wrong at the hub, where and how often."""

from dataclasses import dataclass, field
from typing import Literal

Where = Literal["api", "resolve", "cdn", "plan", "xorb"]
"""`api` is all of `/api/`, `resolve` the links of files at the hub, `cdn` where their bytes are.

`plan` is what the Xet store says of a file, `xorb` where it has the bytes.
"""

What = Literal[
    "status",  # `status`, with `headers` and `body`, in the place of the answer
    "whole",  # 200 and the whole file, whatever range was asked for
    "gzip",  # the whole file compressed on the way, without a length
    "etag",  # another ETag with each answer
    "flip",  # the byte at `at_bytes` of the file is another one
    "drip",  # `piece_bytes` every `pause_s`
    "stall",  # nothing more after `after_bytes` of the answer, until the hub closes
    "cut",  # the connection ends after `after_bytes` of the answer
    "expire",  # each signed link is good for `uses` requests, then 403
    "unsized",  # no length of what comes, in chunks
    "more",  # as many bytes again as were asked for
    "swell",  # chunks of a xorb that say to unpack to far more than they are
]


@dataclass(slots=True)
class Fault:
    """One thing that goes wrong `times` times (None: always), after `skip` requests went well."""

    what: What
    where: Where = "cdn"
    times: int | None = 1
    skip: int = 0
    status: int = 503
    headers: dict[str, str] = field(default_factory=dict[str, str])
    body: bytes = b""
    after_bytes: int = 0
    at_bytes: int = 0
    piece_bytes: int = 1024
    pause_s: float = 0.05
    uses: int = 1

    def strikes(self) -> bool:
        """Whether this request is one of those, which it counts."""
        if self.skip > 0:
            self.skip -= 1
            return False
        if self.times is None:
            return True
        self.times -= 1
        return self.times >= 0


@dataclass(frozen=True, slots=True)
class Seen:
    """A request as it came."""

    method: str
    host: str
    target: str
    headers: dict[str, str]

    @property
    def path(self) -> str:
        return self.target.partition("?")[0]

    @property
    def token(self) -> str | None:
        """What it brought to authenticate itself."""
        return self.headers.get("authorization")
