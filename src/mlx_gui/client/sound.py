"""Sound that a model is asked to write down."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Self

import httpx
import msgspec

from mlx_gui.client.connection import PATIENT, Connection
from mlx_gui.client.reaching import ServerUnreachable, error_of, raise_for, reaching
from mlx_gui.client.sse import parse_sse
from mlx_gui.core.errors import NotFound
from mlx_gui.wire.errors import ErrorDetail


class HeardPart(msgspec.Struct, frozen=True):
    """A segment of what was heard, with its times in seconds."""

    start: float
    end: float
    text: str


class HeardSound(msgspec.Struct, frozen=True):
    """All that was heard. `raw` is the whole answer as the API's own object."""

    text: str
    segments: tuple[HeardPart, ...] = ()
    duration: float = 0.0
    real_time_factor: float | None = None
    raw: dict[str, Any] = {}


class HeardPiece(msgspec.Struct, frozen=True):
    """More text, and how far into the sound it goes.

    The first one has no text, and the `duration` of the sound in seconds if its file says it.
    """

    text: str
    heard_s: float | None = None
    duration: float | None = None


class TranscriptStream:
    """One transcript as it grows; `heard` is all of it, once the iteration has ended.

    `close` at any moment cancels it on the server.
    """

    def __init__(self, response: httpx.Response, address: str) -> None:
        self.heard = HeardSound("")
        self._response = response
        self._address = address

    def __iter__(self) -> Iterator[HeardPiece]:
        with reaching(self._address):
            for _, data in parse_sse(self._response.iter_bytes()):
                event = msgspec.json.decode(data, type=dict[str, Any])
                if "error" in event:
                    raise error_of(ErrorDetail.model_validate(event["error"]))
                if "delta" in event:
                    yield HeardPiece(event["delta"], event.get("heard_s"), event.get("duration"))
                    continue
                self.heard = _heard(event)
                return
        raise ServerUnreachable("The server ended the connection before the text was complete.")

    def close(self) -> None:
        self._response.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


class SoundCalls(Connection):
    """What a model is asked to write down."""

    def transcribe(self, file: Path, fields: Mapping[str, str]) -> TranscriptStream:
        """What is said in `file`, as it is heard; `fields` are those of the API's form.

        Raises NotFound where the file cannot be read.
        """
        wanted = {**fields, "stream": "true", "response_format": "verbose_json"}
        response = self._sent("/v1/audio/transcriptions", file, wanted, stream=True)
        return TranscriptStream(response, self.address)

    def translate_sound(self, file: Path, fields: Mapping[str, str]) -> HeardSound:
        """What is said in `file`, in English. Raises NotFound where the file cannot be read."""
        wanted = {**fields, "response_format": "verbose_json"}
        response = self._sent("/v1/audio/translations", file, wanted, stream=False)
        with reaching(self.address):
            return _heard(msgspec.json.decode(response.content, type=dict[str, Any]))

    def _sent(
        self, path: str, file: Path, fields: Mapping[str, str], *, stream: bool
    ) -> httpx.Response:
        try:
            content = file.open("rb")
        except OSError as error:
            raise NotFound(
                f"{file} cannot be read: {error.strerror}.", hint="Check its name and its rights."
            ) from None
        with content, reaching(self.address):
            request = self._http.build_request(
                "POST",
                path,
                data=dict(fields),
                files={"file": (file.name, content)},
                timeout=PATIENT,
            )
            response = self._http.send(request, stream=stream)
            if response.is_error:
                response.read()
            raise_for(response)
            return response


def _heard(event: dict[str, Any]) -> HeardSound:
    heard = msgspec.convert(event, type=HeardSound)
    return msgspec.structs.replace(heard, raw=event)
