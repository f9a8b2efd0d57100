"""Texts that a model is asked to speak."""

from collections.abc import Iterator, Mapping
from typing import Self

import httpx

from mlx_gui.client.connection import Connection
from mlx_gui.client.encoding import encoded
from mlx_gui.client.reaching import reaching


class SpokenStream:
    """The bytes of a sound as it is spoken. `close` at any moment cancels it on the server."""

    def __init__(self, response: httpx.Response, address: str) -> None:
        self._response = response
        self._address = address

    def __iter__(self) -> Iterator[bytes]:
        with reaching(self._address):
            yield from self._response.iter_bytes()

    def close(self) -> None:
        self._response.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


class SpeechCalls(Connection):
    """What is asked of models that speak."""

    def speak(self, fields: Mapping[str, object]) -> SpokenStream:
        """The sound that `fields`, those of the API's body, ask for."""
        response = self._open("POST", "/v1/audio/speech", encoded(dict(fields)))
        return SpokenStream(response, self.address)
