"""`mlx-gui embed`."""

import json as json_format
import sys
from collections.abc import Iterable, Iterator, Sequence
from io import TextIOWrapper
from itertools import islice
from pathlib import Path
from typing import Annotated

import typer

from mlx_gui.cli.connection import connect
from mlx_gui.cli.options import DataDir, ModelName, Url
from mlx_gui.client.embeddings import EmbedOptions

_TOGETHER = 256
"""Texts of one request; vectors are written as they come."""
PIPED = "-"


def command(
    model: ModelName,
    texts: Annotated[list[str] | None, typer.Argument(metavar="TEXT", show_default=False)] = None,
    *,
    file: Annotated[
        str | None,
        typer.Option(
            "--file", metavar="FILE", help="Read texts out of it, one a line; - is stdin."
        ),
    ] = None,
    dimensions: Annotated[
        int | None, typer.Option(metavar="COUNT", help="Numbers of a vector; the first ones.")
    ] = None,
    prompt: Annotated[
        str | None,
        typer.Option("--prompt", metavar="NAME", help="The model's prompt to read before a text."),
    ] = None,
    input_type: Annotated[
        str | None,
        typer.Option("--input-type", metavar="TYPE", help="What the texts are: query, document, …"),
    ] = None,
    truncate: Annotated[
        bool | None,
        typer.Option("--truncate/--no-truncate", help="Leave out the end of too long a text."),
    ] = None,
    url: Url = None,
    data_dir: DataDir = None,
) -> None:
    """Each line of the output is the vector of one text, as a JSON array.

    Texts come as arguments, out of a file, or piped in, one a line.
    """
    options = EmbedOptions(dimensions, prompt, input_type, truncate)
    with connect(url, data_dir) as client:
        for together in _groups(_asked(texts or [], file)):
            for vector in client.embed(model, together, options):
                sys.stdout.write(json_format.dumps(vector) + "\n")


def _asked(texts: Sequence[str], file: str | None) -> Iterator[str]:
    """The texts, then those of the file. Raises BadParameter where there are none."""
    yield from texts
    none_yet = not texts
    if file is None and texts:
        return
    given = sys.stdin
    piped = given if file == PIPED or (file is None and given and not given.isatty()) else None
    if file is None and piped is None:
        raise typer.BadParameter("Give a TEXT, a --file, or pipe texts in.")
    try:
        # Whatever the locale says of it.
        for line in (
            _lines(TextIOWrapper(piped.buffer, "utf-8")) if piped else _of_file(Path(file or ""))
        ):
            none_yet = False
            yield line
    except UnicodeDecodeError:
        raise typer.BadParameter("The texts are not UTF-8.") from None
    except OSError as error:
        raise typer.BadParameter(f"{file} cannot be read: {error.strerror}.") from None
    if none_yet:
        raise typer.BadParameter(
            "Nothing was piped in and no TEXT is given." if piped else f"{file} has no text in it."
        )


def _of_file(file: Path) -> Iterator[str]:
    with file.open(encoding="utf-8") as lines:
        yield from _lines(lines)


def _lines(lines: Iterable[str]) -> Iterator[str]:
    """Those with anything in them."""
    return (line.rstrip("\n") for line in lines if line.strip())


def _groups(texts: Iterator[str]) -> Iterator[list[str]]:
    while together := list(islice(texts, _TOGETHER)):
        yield together
