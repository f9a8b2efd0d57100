"""How the commands print: plain tables, JSON, and errors of one line."""

import json
import sys

from pydantic import BaseModel
from rich.console import Console
from rich.table import Table
from rich.text import Text

PIPE_WIDTH = 1000


def console(*, stderr: bool = False) -> Console:
    """A console without markup; lines that go into a pipe are not broken at a terminal's width."""
    made = Console(stderr=stderr, markup=False, highlight=False, emoji=False)
    if not made.is_terminal:
        made.width = PIPE_WIDTH
    return made


def plain_table(*columns: str, wraps: str) -> Table:
    """A table of spaces only. Columns whose title starts with `>` are aligned to the right.

    On a narrow terminal only the column `wraps` is broken into lines.
    """
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="bold")
    for title in columns:
        table.add_column(
            title.removeprefix(">"),
            justify="right" if title.startswith(">") else "left",
            no_wrap=title != wraps,
            overflow="fold",
        )
    return table


def facts_table(rows: list[tuple[str, str]]) -> Table:
    """Names on the left, values on the right."""
    table = Table.grid(padding=(0, 3, 0, 0))
    table.add_column(style="bold", no_wrap=True)
    table.add_column(overflow="fold")
    for name, value in rows:
        table.add_row(name, value)
    return table


def write_json(data: BaseModel | object) -> None:
    """`data` on stdout, indented."""
    plain = data.model_dump(mode="json") if isinstance(data, BaseModel) else data
    sys.stdout.write(json.dumps(plain, indent=2, ensure_ascii=False) + "\n")


def report_error(message: str, hint: str = "") -> None:
    """One line on stderr: what happened, and what to do."""
    line = Text.assemble(("Error: ", "bold red"), f"{message} {hint}".strip())
    console(stderr=True).print(line, soft_wrap=True)
