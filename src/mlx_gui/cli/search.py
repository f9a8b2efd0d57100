"""`mlx-gui search`."""

import re
import shlex
from typing import Annotated

import typer

from mlx_gui.cli.connection import connect
from mlx_gui.cli.list import short_count
from mlx_gui.cli.options import DataDir, Json, Url
from mlx_gui.cli.output import console, plain_table, write_json
from mlx_gui.core.units import format_bytes
from mlx_gui.wire.discover import DiscoveredList, DiscoveredModel, FitBody, StarterBody, StarterList

_SIZE = re.compile(r"(\d{1,15}(?:\.\d{1,15})?)\s*([KMGT]?)B?", re.IGNORECASE)
_UNITS = {"": 1, "K": 10**3, "M": 10**6, "G": 10**9, "T": 10**12}
_FITS = {
    "yes": "yes",
    "after_eviction": "when others leave",
    "tight": "hardly",
    "no": "no",
    "unknown": "-",
}


def command(
    query: Annotated[
        str | None, typer.Argument(metavar="QUERY", help="Part of the model's name.")
    ] = None,
    *,
    kind: Annotated[
        str | None,
        typer.Option("--kind", help="text, vision, embedding, reranker, transcription or speech."),
    ] = None,
    author: Annotated[str | None, typer.Option("--author", help="Who publishes it.")] = None,
    sort: Annotated[
        str | None, typer.Option("--sort", help="trending, downloads, likes, newest or size.")
    ] = None,
    max_size: Annotated[
        str | None, typer.Option("--max-size", metavar="SIZE", help="Not larger, like 8GB.")
    ] = None,
    quantization: Annotated[
        str | None, typer.Option("--quantization", help="Like 4-bit, mxfp4 or none.")
    ] = None,
    license: Annotated[
        str | None,
        typer.Option("--license", help="permissive, copyleft, noncommercial or terms."),
    ] = None,
    fits: Annotated[bool, typer.Option("--fits", help="Only what fits this machine.")] = False,
    everything: Annotated[
        bool, typer.Option("--all", help="Also what this version cannot serve.")
    ] = False,
    starters: Annotated[
        bool, typer.Option("--starters", help="Models to begin with, without asking the hub.")
    ] = False,
    limit: Annotated[int, typer.Option("--limit", min=1, max=100, help="How many.")] = 20,
    cursor: Annotated[
        str | None, typer.Option("--cursor", help="Goes on where a search has ended.")
    ] = None,
    json: Json = False,
    url: Url = None,
    data_dir: DataDir = None,
) -> None:
    """Without a query it lists what is much talked about. Nothing is fetched."""
    asked = {
        "query": query,
        "kind": kind,
        "author": author,
        "sort": sort,
        "max_bytes": None if max_size is None else str(_bytes(max_size)),
        "quantization": quantization,
        "license": license,
        "fits": "true" if fits else None,
        "supported": "false" if everything else None,
        "limit": str(limit),
        "cursor": cursor,
    }
    filters = {name: value for name, value in asked.items() if value is not None}
    with connect(url, data_dir) as client:
        if starters:
            found = client.starters()
            return write_json(found) if json else _show_starters(found)
        page = client.discover(filters)
    if json:
        write_json(page)
    else:
        _show(page)


def _show(page: DiscoveredList) -> None:
    out, aside = console(), console(stderr=True)
    if page.data:
        columns = ("Model", "Kind", ">Parameters", "Weights", ">Size", "Fits", ">Downloads", "Here")
        table = plain_table(*columns, wraps="Here")
        for model in page.data:
            table.add_row(*search_row(model))
        out.print(table)
    else:
        out.print("No such models were found.")
    for note in page.notes:
        aside.print(note, style="dim", soft_wrap=True)
    if page.next_cursor is not None:
        hint = f"There may be more: the same with --cursor {shlex.quote(page.next_cursor)}"
        aside.print(hint, style="dim", soft_wrap=True)


def _show_starters(found: StarterList) -> None:
    table = plain_table(
        "Model", "Kind", ">Memory", ">Size", "Licence", "Tried", "Fits", "Here", wraps="Here"
    )
    for starter in found.data:
        table.add_row(*starter_row(starter))
    console().print(table)
    for note in found.notes:
        console(stderr=True).print(note, style="dim", soft_wrap=True)


def search_row(model: DiscoveredModel) -> tuple[str, ...]:
    """Model, kind, parameters, weights, size, fit, downloads, and what it is here."""
    return (
        model.id,
        model.kind or "-",
        "-" if model.parameter_count is None else short_count(model.parameter_count),
        model.quantization or "-",
        "-" if model.size_bytes is None else format_bytes(model.size_bytes),
        fit_words(model.fit),
        "-" if model.downloads is None else short_count(model.downloads),
        _here(model),
    )


def starter_row(starter: StarterBody) -> tuple[str, ...]:
    """Model, kind, memory that it is for, size, licence, whether tried, fit, what it is here."""
    here = starter.installed or ("advised" if starter.chosen else "-")
    memory = "over 96 GB" if starter.memory_gb > 96 else f"{starter.memory_gb} GB"
    return (
        starter.id,
        starter.kind,
        memory,
        format_bytes(starter.size_bytes),
        starter.license,
        "yes" if starter.tried else "no",
        fit_words(starter.fit),
        here if starter.supported.ok else f"cannot be served: {starter.supported.reason}",
    )


def fit_words(fit: FitBody) -> str:
    """Whether it fits into this machine's memory."""
    return _FITS[fit.state]


def _here(model: DiscoveredModel) -> str:
    if not model.supported.ok:
        return f"cannot be served: {model.supported.reason}"
    if model.installed is not None:
        return "installed" if model.installed == "not_loaded" else model.installed
    return "on request" if model.gated else "-"


def _bytes(text: str) -> int:
    match = _SIZE.fullmatch(text.strip())
    if match is None:
        raise typer.BadParameter(f"{text!r} is not a size like 8GB.", param_hint="--max-size")
    return int(float(match[1]) * _UNITS[match[2].upper()])
