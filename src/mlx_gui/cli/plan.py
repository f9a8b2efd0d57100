"""`mlx-gui plan`."""

from collections.abc import Iterator
from typing import Annotated

import typer
from rich.console import Console

from mlx_gui.cli.connection import connect
from mlx_gui.cli.memory_bar import ASCII_BLOCKS, BLOCKS, LABEL_WIDTH, bars, legend, memory_parts
from mlx_gui.cli.options import DataDir, Json, ModelName, Url
from mlx_gui.cli.output import console, facts_table, write_json
from mlx_gui.client import Client
from mlx_gui.core.units import format_bytes
from mlx_gui.wire.plan import PlanBody
from mlx_gui.wire.status import ManagerStatus, MemoryStatus

Context = Annotated[
    int | None,
    typer.Option("--context", metavar="TOKENS", help="Longest context, in place of the setting."),
]

_FITS = {
    "yes": "fits",
    "after_eviction": "fits when others have left",
    "tight": "fits with less than was wanted",
    "no": "does not fit",
}
_NARROWEST_BAR = 20


def command(
    model: ModelName,
    *,
    context: Context = None,
    json: Json = False,
    url: Url = None,
    data_dir: DataDir = None,
) -> None:
    """Nothing is changed. In a terminal it draws the memory, now and after the load."""
    with connect(url, data_dir) as client:
        plan = client.plan(model, context=context)
        if json:
            write_json(plan)
        else:
            show_plan(client, plan, context)


def show_plan(client: Client, plan: PlanBody, context: int | None) -> None:
    """The plan beside what the machine's memory holds at this moment."""
    memory, manager, out = client.system().memory, client.manager(), console()
    print_plan(plan, memory, manager, out)
    if plan.fits != "no":
        out.print(load_hint(plan, context), style="dim", soft_wrap=True)


def print_plan(plan: PlanBody, memory: MemoryStatus, manager: ManagerStatus, out: Console) -> None:
    """The bars only on a terminal that is wide enough; the rest is text."""
    parts = memory_parts(plan, manager.loaded_models, other_bytes=memory.other_apps_bytes)
    blocks = ASCII_BLOCKS if out.options.ascii_only else BLOCKS
    drawn = out.is_terminal and out.width >= LABEL_WIDTH + _NARROWEST_BAR
    out.print(f"{plan.model} {_FITS[plan.fits]}.", style="bold")
    out.print(plan.reason)
    out.print()
    if drawn:
        for bar in bars(
            parts,
            budget_bytes=plan.budget_bytes,
            total_bytes=memory.total_bytes,
            width=out.width,
            blocks=blocks,
        ):
            out.print(bar, no_wrap=True)
        out.print()
    out.print(legend(parts, blocks if drawn else None))
    out.print()
    out.print(facts_table(list(plan_rows(plan))))
    for warning in plan.warnings:
        out.print(f"Warning: {warning}", style="yellow")


def plan_rows(plan: PlanBody) -> Iterator[tuple[str, str]]:
    """Needs, context and budget, by name."""
    needs = plan.needs
    parts = [
        f"weights {format_bytes(needs.weights_bytes)}",
        f"KV cache {format_bytes(needs.kv_bytes)}",
        f"prefix cache {format_bytes(needs.prefix_bytes)}",
        f"the rest {format_bytes(needs.overhead_bytes)}",
    ]
    source = "as measured by an earlier load" if plan.measured else "as estimated"
    yield "Needs", f"{format_bytes(needs.total_bytes)}, {source}: {', '.join(parts)}"
    yield "While loading", format_bytes(needs.load_peak_bytes)
    yield "Context", _context(plan)
    yield (
        "Budget",
        f"{format_bytes(plan.after.used_bytes)} of {format_bytes(plan.budget_bytes)} afterwards",
    )


def load_hint(plan: PlanBody, context: int | None) -> str:
    """The command that does what was planned, and nothing else."""
    asked = "" if context is None else f" --context {context}"
    return f"To do exactly this: mlx-gui load {plan.model}{asked} --plan-token {plan.plan_token}"


def _context(plan: PlanBody) -> str:
    said = f"{plan.context:,} tokens"
    if plan.context != plan.wanted_context:
        said += f" instead of {plan.wanted_context:,}"
    said += f" ({plan.context_because})"
    if plan.max_context_that_fits:
        return f"{said}; {plan.max_context_that_fits:,} are the most that fit"
    return f"{said}; none fits"
