"""How urgent a request is: a header that every family takes, or a field of its body."""

import re
from typing import Annotated

from fastapi import Header
from pydantic import BeforeValidator
from pydantic_core import PydanticCustomError

from mlx_gui.api.fields import Between

PRIORITY_HEADER = "x-mlx-gui-priority"
LOWEST, HIGHEST = -10, 10
_WHOLE_NUMBER = re.compile(r"[-+]?[0-9]{1,3}")


def _from_header(value: object) -> object:
    """A header is text; what is no number is refused by the same sentence as one out of bounds."""
    if isinstance(value, str) and _WHOLE_NUMBER.fullmatch(value):
        value = int(value)
    if isinstance(value, int) and LOWEST <= value <= HIGHEST:
        return value
    raise PydanticCustomError(
        "priority",
        "Input should be a whole number from {lowest} to {highest}",
        {"lowest": LOWEST, "highest": HIGHEST},
    )


Priority = Annotated[int, Between(LOWEST, HIGHEST)]
RequestPriority = Annotated[
    int,
    BeforeValidator(_from_header),
    Header(
        alias=PRIORITY_HEADER,
        description=f"How urgent the request is, from {LOWEST} to {HIGHEST}; the higher one is "
        "served first.",
    ),
]
"""Of a route's parameter, whose default is 0. A priority in the body wins over it."""
