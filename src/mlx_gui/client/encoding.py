"""What the client sends, as bytes; what cannot be sent is refused here."""

import json
import math
from collections.abc import Mapping
from urllib.parse import quote

import msgspec

from mlx_gui.core.errors import InvalidRequest


def encoded(asked: Mapping[str, object]) -> bytes:
    """JSON for the server, which judges all numbers but those that JSON has not.

    Raises InvalidRequest for these, and for text that is not UTF-8.
    """
    try:
        return json.dumps(msgspec.to_builtins(asked), ensure_ascii=False, allow_nan=False).encode()
    except UnicodeEncodeError:
        raise InvalidRequest(
            "The text has bytes that are not UTF-8.", hint="Convert it to UTF-8 first."
        ) from None
    except ValueError:
        raise InvalidRequest("NaN and infinity are no numbers that can be sent.") from None


def check_numbers(wanted: Mapping[str, object]) -> None:
    """Raises InvalidRequest for the first value that JSON has no number for, by its name."""
    for name, value in wanted.items():
        if isinstance(value, float) and not math.isfinite(value):
            # null would mean the default.
            raise InvalidRequest(f"{name} is {value}, but must be a number.", param=name)


def in_path(name: str, *, of: str) -> str:
    """`name` as part of a path, which leads nowhere else by it. Raises InvalidRequest for none.

    `of` says what is called so.
    """
    if not name.strip("/"):
        raise InvalidRequest(f"The name of the {of} is empty.")
    # Whoever reads an address takes `..` for the folder above.
    return "/".join(
        "%2E" * len(part) if part in (".", "..") else quote(part, errors="surrogateescape")
        for part in name.split("/")
    )
