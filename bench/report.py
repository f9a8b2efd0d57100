"""Tables of what was measured, and the page that keeps them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from bench.pairs import Spread, differences, ratios, spread

TITLE = "# Performance"
_COLUMNS = ("", "mlx-gui", "compared with", "result: median (lowest to highest)", "bound", "")


@dataclass(frozen=True, slots=True)
class Bound:
    """What a result must not pass."""

    relation: Literal["≤", "≥"]
    limit: float

    def met(self, value: float) -> bool:
        return value <= self.limit if self.relation == "≤" else value >= self.limit


@dataclass(frozen=True, slots=True)
class Row:
    """One result. `ours` and `theirs` are the medians that it comes from, as text.

    One without a bound is there to compare with.
    """

    what: str
    result: Spread
    unit: str
    bound: Bound | None
    ours: str = ""
    theirs: str = ""

    @property
    def met(self) -> bool:
        return self.bound is None or self.bound.met(self.result.median)

    def cells(self) -> tuple[str, ...]:
        result, bound = self.result, self.bound
        judged = ("", "")
        if bound is not None:
            limit = f"{bound.relation} {amount(bound.limit, self.unit)}"
            judged = (limit, "met" if self.met else "**missed**")
        return (
            self.what,
            self.ours,
            self.theirs,
            f"{amount(result.median, self.unit)} ({amount(result.low)} to {amount(result.high)})",
            *judged,
        )


def figure_row(what: str, values: Sequence[float], unit: str, bound: Bound | None) -> Row:
    """A result that stands for itself."""
    return Row(what, spread(values), unit, bound)


def ratio_row(
    what: str, ours: Sequence[float], theirs: Sequence[float], unit: str, bound: Bound | None
) -> Row:
    """The ratio of ours to theirs, pair by pair; `unit` is that of both."""
    return Row(what, spread(ratios(ours, theirs)), "times", bound, *_medians(ours, theirs, unit))


def difference_row(
    what: str, ours: Sequence[float], theirs: Sequence[float], unit: str, bound: Bound
) -> Row:
    """How much ours is more than theirs, pair by pair."""
    return Row(what, spread(differences(ours, theirs)), unit, bound, *_medians(ours, theirs, unit))


def amount(value: float, unit: str = "") -> str:
    """Three digits that count, or all of a larger number."""
    digits = f"{value:.0f}" if abs(value) >= 100 else f"{value:.3g}"
    return f"{digits} {unit}".rstrip()


def table(rows: Sequence[Row]) -> str:
    """The rows in Markdown."""
    lines = [_COLUMNS, ("---",) * len(_COLUMNS), *(row.cells() for row in rows)]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def merged(page: str, head: str, sections: Mapping[str, str]) -> str:
    """`page` with `sections` by name new, below `head`.

    Sections that were written under another head are dropped: it names the machine and the
    versions that all figures on the page come from.
    """
    old_head, *old_sections = page.rstrip("\n").split("\n## ")
    kept = {}
    if old_head.strip() == head.strip():
        kept = {text.partition("\n")[0]: text.partition("\n")[2] for text in old_sections}
    texts = {**kept, **sections}
    body = "".join(f"\n\n## {name}\n\n{texts[name].strip()}" for name in sorted(texts))
    return f"{head.strip()}{body}\n"


def _medians(ours: Sequence[float], theirs: Sequence[float], unit: str) -> tuple[str, str]:
    return amount(spread(ours).median, unit), amount(spread(theirs).median, unit)
