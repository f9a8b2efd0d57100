"""What charts name beside their lines."""

from dataclasses import dataclass
from typing import Literal

ChartMarkKind = Literal[
    "start", "load", "evict", "expire", "unload", "reload", "recycle", "failure", "settings"
]


@dataclass(frozen=True, slots=True)
class ChartMark:
    """Something that happened, to be named in charts; `at` is Unix time.

    `cause` is the model for whose sake it happened to `model`. `text` says why.
    """

    at: float
    kind: ChartMarkKind
    model: str | None = None
    cause: str | None = None
    text: str = ""
