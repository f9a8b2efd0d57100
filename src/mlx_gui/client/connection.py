"""One server over HTTP: how it is found, asked and read."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Self, TypeVar

import httpx
import msgspec
from pydantic import BaseModel

from mlx_gui.client.reaching import START_HINT, ServerUnreachable, raise_for, reaching
from mlx_gui.core.runtime import RUNTIME_FILE, Runtime
from mlx_gui.version import __version__

CONNECT_TIMEOUT_S = 5.0
ANSWER_TIMEOUT_S = 30.0
PATIENT = httpx.Timeout(None, connect=CONNECT_TIMEOUT_S)

Body = TypeVar("Body", bound=BaseModel)


class Connection:
    """What all calls to a server share. Patient calls wait for as long as the server does."""

    def __init__(
        self, address: str, *, token: str | None = None, timeout_s: float = ANSWER_TIMEOUT_S
    ) -> None:
        self.address = address.rstrip("/")
        headers = {"user-agent": f"mlx-gui/{__version__}"}
        if token is not None:
            headers["authorization"] = f"Bearer {token}"
        with reaching(self.address):
            if not httpx.URL(self.address).host:
                raise httpx.InvalidURL("it names no host")
            # A proxy from the environment would be asked for loopback addresses too.
            self._http = httpx.Client(
                base_url=self.address,
                headers=headers,
                timeout=httpx.Timeout(timeout_s, connect=min(timeout_s, CONNECT_TIMEOUT_S)),
                trust_env=False,
            )

    @classmethod
    def from_runtime(cls, data_dir: Path, *, timeout_s: float = ANSWER_TIMEOUT_S) -> Self:
        """A client of the server that runs on `data_dir`. Raises ServerUnreachable."""
        runtime = read_runtime(data_dir)
        if runtime is None:
            raise ServerUnreachable(f"No server runs on {data_dir}.", hint=START_HINT)
        return cls(runtime.address, token=runtime.token, timeout_s=timeout_s)

    def close(self) -> None:
        self._http.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _ask(
        self,
        method: str,
        path: str,
        answer: type[Body],
        *,
        patient: bool = False,
        query: Mapping[str, str] = {},
        body: bytes | None = None,
    ) -> Body:
        timeout = PATIENT if patient else httpx.USE_CLIENT_DEFAULT
        with reaching(self.address):
            response = self._http.request(
                method, path, params=query, content=body, headers=_headers(body), timeout=timeout
            )
            raise_for(response)
            return answer.model_validate_json(response.content)

    def _whole(self, path: str, body: bytes) -> dict[str, Any]:
        """The object that `path` answers in the end."""
        with reaching(self.address):
            response = self._http.post(path, content=body, headers=_headers(body), timeout=PATIENT)
            raise_for(response)
            return msgspec.json.decode(response.content, type=dict[str, Any])

    def _open(self, method: str, path: str, body: bytes | None = None) -> httpx.Response:
        """A response whose content is still to be read."""
        request = self._http.build_request(
            method,
            path,
            content=body,
            headers=_headers(body),
            timeout=PATIENT,
        )
        with reaching(self.address):
            response = self._http.send(request, stream=True)
            if response.is_error:
                response.read()
            raise_for(response)
        return response


def read_runtime(data_dir: Path) -> Runtime | None:
    """What the server on `data_dir` left there; None when there is nothing that can be read.

    It may be left over from a server that was killed.
    """
    try:
        return msgspec.json.decode((data_dir / RUNTIME_FILE).read_bytes(), type=Runtime)
    except (OSError, msgspec.DecodeError):
        return None


def _headers(body: bytes | None) -> dict[str, str]:
    return {} if body is None else {"content-type": "application/json"}
