"""How the commands reach the server."""

from collections.abc import Generator
from contextlib import contextmanager

import typer

from mlx_gui.cli.output import report_error
from mlx_gui.client import ANSWER_TIMEOUT_S, Client, ServerUnreachable, read_runtime
from mlx_gui.config import resolve


@contextmanager
def connect(url: str | None, data_dir: str | None) -> Generator[Client]:
    """A client for the length of a command, which ends with exit code 1 when nobody answers."""
    try:
        with find_server(url, data_dir) as client:
            yield client
    except ServerUnreachable as error:
        report_error(error.message, error.hint)
        raise typer.Exit(1) from None


def find_server(
    url: str | None, data_dir: str | None, *, timeout_s: float = ANSWER_TIMEOUT_S
) -> Client:
    """A client of the server at `url`, else of the one that runs on the data directory.

    Raises SettingsError, ServerUnreachable when there is none.
    """
    folder = resolve(flags={"data_dir": data_dir}).data_dir
    if url is None:
        return Client.from_runtime(folder, timeout_s=timeout_s)
    runtime = read_runtime(folder)
    token = runtime.token if runtime and runtime.address == url.rstrip("/") else None
    return Client(url, token=token, timeout_s=timeout_s)
