"""The memory bar of a load plan in a terminal: what models hold now, and what they would then."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Literal

from rich.table import Table
from rich.text import Text

from mlx_gui.core.units import format_bytes
from mlx_gui.wire.plan import PlanBody
from mlx_gui.wire.status import LoadedModel

Role = Literal["stays", "leaves", "comes", "free", "other"]
Blocks = Mapping[Role, str]

WIDEST = 100
LABEL_WIDTH = 6
BLOCKS: Blocks = {"stays": "█", "leaves": "░", "comes": "▓", "free": "·", "other": "▒"}
ASCII_BLOCKS: Blocks = {"stays": "#", "leaves": "-", "comes": "+", "free": ".", "other": "%"}
_COLORS = ("blue", "magenta", "cyan", "yellow", "bright_blue", "bright_magenta")


@dataclass(frozen=True, slots=True)
class Part:
    """A part of the machine's memory, and how it is drawn."""

    name: str
    size_bytes: int
    role: Role
    note: str = ""
    color: str = ""

    @property
    def style(self) -> str:
        return f"{'' if self.role in ('stays', 'comes') else 'dim '}{self.color}".strip()


def memory_parts(
    plan: PlanBody, loaded: Iterable[LoadedModel], *, other_bytes: int
) -> tuple[Part, ...]:
    """The models that are loaded, the one that comes, what is free then, and other programs.

    Each model that is loaded has a colour of its own.
    """
    held = {model.id: _held_bytes(model) for model in loaded}
    reasons = {each.id: each.reason for each in plan.keep}
    evicted = {each.id: each for each in plan.evict}
    parts: list[Part] = []
    for place, model_id in enumerate(sorted({*held, *reasons, *evicted})):
        color = _COLORS[place % len(_COLORS)]
        if (leaving := evicted.get(model_id)) is not None:
            note = f"leaves: {leaving.reason}"
            parts.append(Part(model_id, leaving.frees_bytes, "leaves", note, color))
            continue
        if model_id in reasons:
            note = f"stays: {reasons[model_id]}"
        else:
            note = "is loaded now" if model_id == plan.model else "is leaving"
        role: Role = "leaves" if note == "is leaving" else "stays"
        parts.append(Part(model_id, held.get(model_id, 0), role, note, color))
    comes = "comes" if plan.fits != "no" else "does not fit"
    parts.append(Part(plan.model, plan.needs.total_bytes, "comes", comes, "green"))
    if plan.after.free_bytes > 0:
        parts.append(Part("free for models", plan.after.free_bytes, "free", "afterwards"))
    return (*parts, Part("other programs", other_bytes, "other"))


def bars(
    parts: tuple[Part, ...], *, budget_bytes: int, total_bytes: int, width: int, blocks: Blocks
) -> Iterator[Text]:
    """Two lines of at most `width` cells: now, and after the load.

    A line is the machine's memory, or more where more is needed: models from the left, then what is
    free for them, and other programs at the right end.
    """
    comes = next(part for part in parts if part.role == "comes")
    now = [part for part in parts if part.role in ("stays", "leaves")]
    then = [part for part in now if part.role == "stays" and part.name != comes.name] + [comes]
    other = parts[-1]
    whole_bytes = max(total_bytes, *(sum(p.size_bytes for p in line) for line in (now, then)), 1)
    scale = _Scale(min(width, WIDEST) - LABEL_WIDTH, whole_bytes)
    for label, models in (("Now", now), ("Then", then)):
        yield _bar(label, models, other, budget_bytes=budget_bytes, scale=scale, blocks=blocks)


def legend(parts: Iterable[Part], blocks: Blocks | None) -> Table:
    """Sizes and reasons; `blocks` None leaves out what the bars are drawn with."""
    table = Table.grid(padding=(0, 2, 0, 0))
    if blocks is not None:
        table.add_column(no_wrap=True)
    table.add_column(overflow="fold")
    table.add_column(justify="right", no_wrap=True)
    table.add_column(overflow="fold")
    for part in parts:
        name = Text(part.name, "dim strike" if part.role == "leaves" else "")
        row = (name, format_bytes(part.size_bytes), part.note)
        if blocks is None:
            table.add_row(*row)
        else:
            table.add_row(Text(blocks[part.role] * 2, part.style), *row)
    return table


@dataclass(frozen=True, slots=True)
class _Scale:
    width: int
    whole_bytes: int

    def cells(self, size_bytes: int) -> int:
        return round(size_bytes * self.width / self.whole_bytes)


def _bar(
    label: str,
    models: Iterable[Part],
    other: Part,
    *,
    budget_bytes: int,
    scale: _Scale,
    blocks: Blocks,
) -> Text:
    """Every model has a cell at least while there are cells."""
    line = Text(f"{label:<{LABEL_WIDTH}}")
    used_bytes = used = 0
    for part in models:
        used_bytes += part.size_bytes
        end = min(max(scale.cells(used_bytes), used + 1), scale.width)
        line.append(blocks[part.role] * (end - used), part.style)
        used = end
    others = min(scale.cells(other.size_bytes), scale.width - used)
    free = min(max(scale.cells(budget_bytes) - used, 0), scale.width - used - others)
    line.append(blocks["free"] * free, "dim")
    line.append(" " * (scale.width - used - free - others))
    line.append(blocks["other"] * others, other.style)
    return line


def _held_bytes(model: LoadedModel) -> int:
    """As the budget counts it: by the plan, else by its own measure."""
    if model.need is not None:
        return model.need.total_bytes
    return model.memory.total_bytes if model.memory is not None else 0
