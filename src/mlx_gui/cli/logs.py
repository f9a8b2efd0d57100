"""`mlx-gui logs`."""

from typing import Annotated, Any

import msgspec
import typer

from mlx_gui.cli.connection import connect
from mlx_gui.cli.options import DataDir, Json, Url
from mlx_gui.cli.output import console
from mlx_gui.client import Client
from mlx_gui.wire.logs import LogLevel, LogLineBody, LogList, LogsEvent

_PAGE = 1000


def command(
    *,
    level: Annotated[LogLevel, typer.Option("--level", help="From this level on.")] = "info",
    model: Annotated[
        str | None, typer.Option("--model", metavar="MODEL", help="About the model with this id.")
    ] = None,
    request: Annotated[
        str | None,
        typer.Option("--request", metavar="ID", help="Of the request with this x-request-id."),
    ] = None,
    lines: Annotated[
        int, typer.Option("--lines", "-n", min=1, max=_PAGE, help="So many of the last lines.")
    ] = 100,
    follow: Annotated[
        bool, typer.Option("--follow", "-f", help="Go on with what comes, until Ctrl-C.")
    ] = False,
    json: Json = False,
    url: Url = None,
    data_dir: DataDir = None,
) -> None:
    """The server keeps its last few thousand lines since its start, from its log_level on."""
    asked: dict[str, Any] = {"level": level, "model": model, "request_id": request}
    with connect(url, data_dir) as client:
        if not follow:
            _print(client.logs(**asked, limit=lines), json=json)
            return
        with client.events("logs") as events:
            shown = client.logs(**asked, limit=lines)
            _print(shown, json=json)
            last = _newest(shown)
            for event in events:
                if isinstance(event, LogsEvent) and event.last > last:
                    last = _print_after(client, asked, last, json=json)


def _print_after(client: Client, asked: dict[str, Any], last: int, *, json: bool) -> int:
    """Print all that has come behind `last`; returns the number of the newest line then."""
    while True:
        page = client.logs(**asked, after=last, limit=_PAGE)
        _print(page, json=json)
        last = max(last, _newest(page) if not page.has_more else page.data[-1].seq)
        if not page.has_more:
            return last


def _newest(page: LogList) -> int:
    return max([page.last, *(line.seq for line in page.data)])


def _print(page: LogList, *, json: bool) -> None:
    for line in page.data:
        if json:
            print(line.model_dump_json(), flush=True)  # noqa: T201
        else:
            console().print(log_line(line), markup=False, highlight=False, soft_wrap=True)


def log_line(line: LogLineBody) -> str:
    """Time, level, event and fields, with nothing in it that would steer a terminal."""
    fields = " ".join(f"{name}={_shown(value)}" for name, value in line.fields.items())
    text = f"{line.at[:19]} {line.level:<8} {line.event} {fields}".rstrip()
    return "".join(
        letter if letter.isprintable() else letter.encode("unicode_escape").decode()
        for letter in text
    )


def _shown(value: object) -> str:
    return value if isinstance(value, str) else msgspec.json.encode(value).decode()
