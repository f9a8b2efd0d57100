"""What can go wrong on the way to a server, and the errors that the server itself answers."""

from collections.abc import Generator
from contextlib import contextmanager

import httpx
import msgspec
from pydantic import ValidationError

from mlx_gui.core.errors import ErrorInfo, MlxGuiError, from_info
from mlx_gui.wire.errors import ErrorDetail, ErrorEnvelope

START_HINT = "Start it with `mlx-gui start`."


class ServerUnreachable(Exception):
    """No server answers, or what answers is not mlx-gui. `hint` says what to do."""

    def __init__(self, message: str, *, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint


@contextmanager
def reaching(address: str) -> Generator[None]:
    """Every failure of the way to `address` is raised as ServerUnreachable."""
    try:
        yield
    except (msgspec.DecodeError, ValidationError) as error:
        raise ServerUnreachable(
            f"What answers at {address} is not an mlx-gui server of this version.",
            hint="Check the address, or restart the server after an update.",
        ) from error
    except httpx.ReadTimeout as error:
        raise ServerUnreachable(
            f"The server at {address} took too long to answer.",
            hint="Look at its log, or restart it.",
        ) from error
    except (httpx.ReadError, httpx.RemoteProtocolError) as error:
        raise ServerUnreachable(
            f"The server at {address} ended the connection.", hint="Look at its log."
        ) from error
    except (httpx.UnsupportedProtocol, httpx.InvalidURL) as error:
        raise ServerUnreachable(
            f"{address} is not an address of a server.",
            hint="Write it like http://127.0.0.1:8000.",
        ) from error
    except httpx.TransportError as error:
        raise ServerUnreachable(f"No server answers at {address}.", hint=START_HINT) from error


def raise_for(response: httpx.Response) -> None:
    """Raise what an error's `response` says."""
    if response.is_error:
        raise error_of(ErrorEnvelope.model_validate_json(response.content).error)


def error_of(answer: ErrorDetail) -> MlxGuiError:
    """The error that was raised on the server."""
    field = {} if answer.param is None else {"param": answer.param}
    return from_info(ErrorInfo(answer.code, answer.message, answer.hint, answer.details | field))
