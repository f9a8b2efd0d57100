"""`mlx-gui doctor`."""

from dataclasses import asdict

import typer
from rich.text import Text

from mlx_gui.cli.doctor_checks import Finding, Level, findings
from mlx_gui.cli.doctor_facts import examine
from mlx_gui.cli.options import DataDir, Json
from mlx_gui.cli.output import console, write_json
from mlx_gui.config import resolve

_STYLES: dict[Level, str] = {"ok": "green", "warn": "yellow", "fail": "bold red"}


def command(*, json: Json = False, data_dir: DataDir = None) -> None:
    """Needs no running server. Exit code 1 when something keeps mlx-gui from working."""
    config = resolve(flags={"data_dir": data_dir})
    with console(stderr=True).status("Examining this machine"):
        found = list(findings(examine(config)))
    if json:
        write_json([asdict(finding) for finding in found])
    else:
        for finding in found:
            console().print(finding_line(finding), soft_wrap=True)
    if any(finding.level == "fail" for finding in found):
        raise typer.Exit(1)


def finding_line(finding: Finding) -> Text:
    """Level, topic, what was seen, and below it what to do."""
    line = Text.assemble(
        (f"{finding.level:<6}", _STYLES[finding.level]),
        (f"{finding.topic:<16}", "bold"),
        finding.text,
    )
    if finding.advice:
        line.append(f"\n{'':<22}{finding.advice}", "dim")
    return line
