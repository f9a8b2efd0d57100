"""`mlx-gui alias`."""

from typing import Annotated

import typer

from mlx_gui.cli.connection import connect
from mlx_gui.cli.options import DataDir, Json, OptionalModelName, Url
from mlx_gui.cli.output import console, plain_table, write_json
from mlx_gui.client import Client
from mlx_gui.wire.aliases import AliasBody


def command(
    alias: Annotated[
        str | None,
        typer.Argument(
            metavar="ALIAS", help="The other name, like `gpt-4o` or `'claude-*'`; else all."
        ),
    ] = None,
    model: OptionalModelName = None,
    *,
    remove: Annotated[
        bool, typer.Option("--remove", help="Remove the alias; its model stays.")
    ] = False,
    json: Json = False,
    url: Url = None,
    data_dir: DataDir = None,
) -> None:
    """An alias is accepted wherever the id of its model is, in every API and command.

    One that ends in `*` stands for all names that begin so. ALIAS alone shows one, nothing all.
    """
    if remove and (alias is None or model is not None):
        raise typer.BadParameter("Name the ALIAS that is to be removed, and nothing else.")
    with connect(url, data_dir) as client:
        if alias is None:
            return _show_all(client, json=json)
        if remove:
            removed = client.remove_alias(alias)
            gone = f"{removed.id} is no alias any more."
            return write_json(removed) if json else console().print(gone, markup=False)
        said = client.alias(alias) if model is None else client.put_alias(alias, model)
    if json:
        write_json(said)
    else:
        console().print(alias_sentence(said), markup=False)


def alias_sentence(alias: AliasBody) -> str:
    """What the alias stands for."""
    there = "" if alias.installed else ", which is not installed"
    return f"{alias.id} stands for {alias.model}{there}."


def alias_row(alias: AliasBody) -> tuple[str, str, str]:
    """Alias, model, whether that is here."""
    return alias.id, alias.model, "installed" if alias.installed else "not installed"


def _show_all(client: Client, *, json: bool) -> None:
    aliases = client.aliases()
    if json:
        write_json(aliases)
    elif not aliases.data:
        console().print("There are no aliases. `mlx-gui alias NAME MODEL` makes one.")
    else:
        table = plain_table("Alias", "Model", "State", wraps="Model")
        for alias in aliases.data:
            table.add_row(*alias_row(alias))
        console().print(table)
