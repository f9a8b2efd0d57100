"""What an outside API consists of, as the table of families sees it."""

from collections.abc import Callable
from dataclasses import dataclass

from starlette.routing import Router

from mlx_gui.core.errors import MlxGuiError

ErrorBody = Callable[[MlxGuiError, str], bytes]
"""An error and its request id as the JSON that this family's clients read."""


@dataclass(frozen=True, slots=True)
class Family:
    """One outside API: its routes, and how errors on paths below `prefix` look."""

    name: str
    prefix: str
    routers: tuple[Router, ...]
    error_body: ErrorBody
