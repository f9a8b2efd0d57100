"""What is taken of bodies: which content types, and how large they may be."""

from dataclasses import dataclass
from typing import Literal

from starlette.datastructures import Headers
from starlette.types import Message, Receive

from mlx_gui.config import Config
from mlx_gui.core.errors import PayloadTooLarge, UnsupportedMedia

Limit = Literal["max_body_bytes", "max_upload_bytes"]
"""The settings that bound bodies."""

FORM_TYPE = "multipart/form-data"
_UNREAD_BYTES = 64 * 1024
"""Of a body that nobody reads; clients send a few empty braces where there is nothing to say."""
_SHOWN_CHARACTERS = 60


@dataclass(frozen=True, slots=True)
class Intake:
    """The bodies of one route. `content_types` None: whatever they are declared to be.

    `limit` is the setting that bounds them; None where nothing of a body is read.
    """

    content_types: tuple[str, ...] | None
    limit: Limit | None

    def most_bytes(self, config: Config) -> int:
        """How large a body may be."""
        return _UNREAD_BYTES if self.limit is None else getattr(config, self.limit)


JSON = Intake(("application/json",), "max_body_bytes")
FORM = Intake((FORM_TYPE,), "max_upload_bytes")
UNREAD = Intake(("application/json",), None)
ANYTHING = Intake(None, "max_body_bytes")
"""Where there is no route, or one that refuses whatever it is sent, that is what will be said."""


def has_body(headers: Headers) -> bool:
    """Whether something follows these headers."""
    return int(headers.get("content-length", 0)) > 0 or "transfer-encoding" in headers


def check_declared(intake: Intake, headers: Headers, *, path: str, config: Config) -> None:
    """Raises PayloadTooLarge or UnsupportedMedia for a body that is not as `intake` wants it.

    Chunked bodies have no length here; `counted` sees theirs.
    """
    length, most = int(headers.get("content-length", 0)), intake.most_bytes(config)
    if length > most:
        raise PayloadTooLarge(
            f"The body has {length} bytes; this server takes {most} at {_shown(path)}.",
            hint=_how_to_fit(intake),
        )
    encodings = {each.strip().lower() for each in headers.getlist("content-encoding")}
    if strange := encodings - {"identity"}:
        raise UnsupportedMedia(
            f"{_shown(path)} takes no body that is compressed ({_shown(', '.join(strange))}).",
            hint="Send it as it is, without the header `Content-Encoding`.",
        )
    if intake.content_types is not None:
        _check_type(intake.content_types, headers.getlist("content-type"), path)


def counted(receive: Receive, intake: Intake, *, path: str, config: Config) -> Receive:
    """The same `receive`, which raises PayloadTooLarge when more comes than `intake` allows."""
    most, received = intake.most_bytes(config), 0

    async def receive_counted() -> Message:
        nonlocal received
        message = await receive()
        received += len(message.get("body", b""))
        if received > most:
            raise PayloadTooLarge(
                f"The body has more than the {most} bytes that this server takes at "
                f"{_shown(path)}.",
                hint=_how_to_fit(intake),
            )
        return message

    return receive_counted


def _check_type(wanted: tuple[str, ...], sent: list[str], path: str) -> None:
    names = [each.partition(";")[0].strip().lower() for each in sent]
    if len(names) == 1 and names[0] in wanted:
        return
    found = " and ".join(_shown(name) for name in names if name) or "a body without a type"
    raise UnsupportedMedia(
        f"{_shown(path)} takes {' or '.join(wanted)}, not {_shown(found)}.",
        hint=f"Send the header `Content-Type: {wanted[0]}`, once.",
    )


def _how_to_fit(intake: Intake) -> str:
    return f"Raise {intake.limit} or send less." if intake.limit else "Send it without a body."


def _shown(text: str) -> str:
    return text if len(text) <= _SHOWN_CHARACTERS else f"{text[:_SHOWN_CHARACTERS]}…"
