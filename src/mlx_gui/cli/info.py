"""`mlx-gui info`."""

from collections.abc import Iterator
from typing import Annotated

import typer

from mlx_gui.cli.connection import connect
from mlx_gui.cli.list import model_row, short_count
from mlx_gui.cli.options import DataDir, Json, Url
from mlx_gui.cli.output import console, facts_table, plain_table, write_json
from mlx_gui.cli.search import fit_words
from mlx_gui.client import Client
from mlx_gui.core.errors import (
    HubAnswer,
    HubUnreachable,
    InvalidRequest,
    ModelNotFound,
    ModelNotOnHub,
    NotReady,
    Offline,
)
from mlx_gui.core.units import format_bytes
from mlx_gui.wire.discover import DiscoveredDetail, FitBody
from mlx_gui.wire.models import ModelObject

_INSTALLED = ("Model", "Kind", "Parameters", "Weights", "Size", "Context", "State")


def command(
    model: Annotated[
        str, typer.Argument(metavar="ID", help="Id of a model on the hub, or of an installed one.")
    ],
    *,
    revision: Annotated[
        str | None, typer.Option("--revision", help="A branch, a tag or a commit.")
    ] = None,
    files: Annotated[bool, typer.Option("--files", help="List its files too.")] = False,
    card: Annotated[bool, typer.Option("--card", help="Print the model card, as it is.")] = False,
    json: Json = False,
    url: Url = None,
    data_dir: DataDir = None,
) -> None:
    """What the hub says of it, what it would be here, and how it fits with three contexts.

    Of an installed model that the hub does not know it shows what is known here.
    """
    with connect(url, data_dir) as client:
        installed = _installed(client, model)
        try:
            model_id = model if installed is None else installed.id
            detail = client.discover_model(model_id, revision=revision)
        except (ModelNotOnHub, Offline, HubUnreachable, HubAnswer, InvalidRequest) as error:
            if installed is None:
                raise
            if card and not json:
                return _print_card(client.model_card(installed.id).card)
            return _show_installed(installed, error.message, json=json)
    if json:
        write_json(detail)
    elif card:
        _print_card(detail.card)
    else:
        show_detail(detail, files=files, local=installed)


def show_detail(detail: DiscoveredDetail, *, files: bool, local: ModelObject | None = None) -> None:
    """Facts, then other quantizations, then warnings; `local` is the same model as installed."""
    out, aside = console(), console(stderr=True)
    facts = list(detail_facts(detail))
    if local is not None and local.revision is not None:
        same = "this one" if local.revision == detail.revision else "another one"
        facts.append(("Installed", f"{local.revision}, {same}"))
    out.print(facts_table(facts))
    if files:
        table = plain_table("File", ">Size", "Fetched", wraps="File")
        for each in detail.files:
            table.add_row(each.path, format_bytes(each.size_bytes), "yes" if each.needed else "no")
        out.print()
        out.print(table)
    if detail.variants:
        table = plain_table("Also as", "Weights", ">Size", "Fits", "Here", wraps="Also as")
        for other in detail.variants:
            size = "-" if other.size_bytes is None else format_bytes(other.size_bytes)
            here = "installed" if other.installed else "-"
            table.add_row(other.id, other.quantization or "-", size, fit_words(other.fit), here)
        out.print()
        out.print(table)
    for warning in detail.warnings:
        out.print(f"Warning: {warning}", style="yellow", soft_wrap=True)
    for note in detail.notes:
        aside.print(note, style="dim", soft_wrap=True)


def detail_facts(detail: DiscoveredDetail) -> Iterator[tuple[str, str]]:
    """Names and values of what is known of it."""
    yield "Model", detail.id
    yield "Kind", detail.kind or "-"
    if detail.capabilities:
        yield "Can", ", ".join(detail.capabilities)
    if detail.base_model is not None:
        yield "Made of", detail.base_model
    if detail.model_type is not None:
        yield "Architecture", detail.model_type
    if detail.parameter_count is not None:
        yield "Parameters", short_count(detail.parameter_count)
    if detail.quantization is not None:
        yield "Weights", detail.quantization
    if detail.config is not None and detail.config.context_length is not None:
        yield "Context", f"{detail.config.context_length:,} tokens"
    if detail.download_bytes is not None:
        yield "To fetch", format_bytes(detail.download_bytes)
    yield "Licence", detail.license or "-"
    yield "Served", "yes" if detail.supported.ok else f"no: {detail.supported.reason}"
    yield "Fits", _fit(detail.fit)
    for fit in detail.fits:
        yield "", _fit(fit)
    yield "Here", detail.installed or "not installed"
    if detail.downloads is not None:
        yield "Downloads", short_count(detail.downloads)
    if detail.updated_at is not None:
        yield "Changed", detail.updated_at
    if detail.revision is not None:
        yield "Revision", detail.revision
    yield "Link", detail.link


def plain_text(text: str) -> str:
    """`text` of a stranger without what would command a terminal."""
    return "".join(each for each in text if each.isprintable() or each in "\n\t")


def _print_card(card: str | None) -> None:
    console().print(plain_text(card or "There is no model card."), soft_wrap=True)


def _fit(fit: FitBody) -> str:
    said = fit_words(fit)
    if fit.context is not None:
        said += f", with {fit.context:,} tokens"
    if fit.need_bytes is not None:
        least = "" if fit.context is not None else "at least "
        said += f", needs {least}{format_bytes(fit.need_bytes)}"
    return said


def _installed(client: Client, name: str) -> ModelObject | None:
    try:
        return client.model(name)
    except (ModelNotFound, InvalidRequest, NotReady):
        return None


def _show_installed(model: ModelObject, reason: str, *, json: bool) -> None:
    if json:
        return write_json(model)
    facts = list(zip(_INSTALLED, model_row(model), strict=True))
    here = (("Licence", model.license or "-"), ("Folder", model.path))
    console().print(facts_table([*facts, *here]))
    console(stderr=True).print(f"{reason} This is what is known here.", style="dim", soft_wrap=True)
