"""What `mlx-gui plan` draws and writes."""

import io

import pytest
from rich.console import Console

from mlx_gui.cli.memory_bar import ASCII_BLOCKS, BLOCKS, WIDEST, Blocks, bars, memory_parts
from mlx_gui.cli.plan import load_hint, plan_rows, print_plan
from mlx_gui.wire.plan import PlanBody
from mlx_gui.wire.status import ManagerStatus
from tests.unit.cli.plans import AFTER_EVICTION, FITS, GB, MANAGER, MEMORY, TOO_LARGE


def drawn(plan: PlanBody, width: int, blocks: Blocks = ASCII_BLOCKS) -> list[str]:
    parts = memory_parts(plan, MANAGER.loaded_models, other_bytes=8 * GB)
    return [
        bar.plain
        for bar in bars(
            parts, budget_bytes=24 * GB, total_bytes=32 * GB, width=width, blocks=blocks
        )
    ]


def shown(plan: PlanBody, *, width: int = 80, terminal: bool, encoding: str = "utf-8") -> str:
    raw = io.BytesIO()
    file = io.TextIOWrapper(raw, encoding=encoding, write_through=True)
    out = Console(
        file=file,
        force_terminal=terminal,
        color_system=None,
        width=width,
        markup=False,
        highlight=False,
        legacy_windows=False,
    )
    print_plan(plan, MEMORY, MANAGER, out)
    lines = raw.getvalue().decode(encoding).splitlines()
    return "\n".join(line.rstrip() for line in lines)


def test_the_bars_show_the_memory_now_and_after_the_load() -> None:
    assert drawn(AFTER_EVICTION, 38) == [
        "Now   " + "#" * 8 + "-" * 4 + "#" * 4 + "." * 8 + "%" * 8,
        "Then  " + "#" * 8 + "#" * 4 + "+" * 12 + "%" * 8,
    ]
    assert drawn(FITS, 38) == [
        "Now   " + "#" * 16 + "." * 8 + "%" * 8,
        "Then  " + "#" * 16 + "+" * 4 + "." * 4 + "%" * 8,
    ]
    assert drawn(FITS, 38, BLOCKS)[1] == "Then  " + "█" * 16 + "▓" * 4 + "·" * 4 + "▒" * 8


def test_what_needs_more_than_the_machine_has_stretches_the_bars() -> None:
    assert drawn(TOO_LARGE, 70) == [
        "Now   " + "#" * 16 + "." * 8 + " " * 32 + "%" * 8,
        "Then  " + "#" * 16 + "+" * 48,
    ]


def test_what_lies_beyond_the_budget_is_not_shown_as_free() -> None:
    parts = memory_parts(FITS, MANAGER.loaded_models, other_bytes=0)
    now, _ = bars(parts, budget_bytes=20 * GB, total_bytes=32 * GB, width=38, blocks=ASCII_BLOCKS)
    assert now.plain == "Now   " + "#" * 16 + "." * 4 + " " * 12


@pytest.mark.parametrize("width", [12, 26, 33, 57, 80, 1000])
@pytest.mark.parametrize("plan", [AFTER_EVICTION, FITS, TOO_LARGE])
def test_the_bars_keep_to_the_width_and_no_model_vanishes(plan: PlanBody, width: int) -> None:
    for bar in drawn(plan, width):
        assert len(bar) == min(width, WIDEST)
        assert "#" in bar
    assert "+" in drawn(plan, width)[1]


def test_a_model_has_the_same_colour_before_and_after() -> None:
    parts = {part.name: part for part in memory_parts(FITS, MANAGER.loaded_models, other_bytes=0)}
    colors = [parts[f"org/{name}"].color for name in "abc"]
    assert len(set(colors)) == 3
    leaving = memory_parts(AFTER_EVICTION, MANAGER.loaded_models, other_bytes=0)
    assert [part.color for part in leaving if part.name in ("org/a", "org/b", "org/c")] == colors


def test_a_model_that_the_plan_does_not_name_is_leaving_or_the_one_itself() -> None:
    plan = FITS.model_copy(update={"model": "org/b", "keep": FITS.keep[:1]})
    notes = {
        part.name: part.note
        for part in memory_parts(plan, MANAGER.loaded_models, other_bytes=0)
        if part.role != "comes"
    }
    assert (notes["org/b"], notes["org/c"]) == ("is loaded now", "is leaving")


def test_a_terminal_gets_the_whole_picture() -> None:
    assert (
        shown(AFTER_EVICTION, width=70, terminal=True)
        == """\
org/new fits when others have left.
It needs 12.0 GB, and 8.0 GB of 24.0 GB are free.

Now   ████████████████░░░░░░░░████████················▒▒▒▒▒▒▒▒▒▒▒▒▒▒▒▒
Then  ████████████████████████▓▓▓▓▓▓▓▓▓▓▓▓▓▓▓▓▓▓▓▓▓▓▓▓▒▒▒▒▒▒▒▒▒▒▒▒▒▒▒▒

██  org/a            8.0 GB  stays: it is pinned
░░  org/b            4.0 GB  leaves: unused for 5.0 s
██  org/c            4.0 GB  stays: it answers 2 requests
▓▓  org/new         12.0 GB  comes
▒▒  other programs   8.0 GB

Needs           12.0 GB, as measured by an earlier load: weights 11.0
                GB, KV cache 500.0 MB, prefix cache 250.0 MB, the rest
                250.0 MB
While loading   13.0 GB
Context         4,096 tokens (the model was made for no more); 4,096
                are the most that fit
Budget          24.0 GB of 24.0 GB afterwards
Warning: Other programs use 8.0 GB."""
    )


def test_a_pipe_gets_text_without_bars() -> None:
    text = shown(AFTER_EVICTION, width=1000, terminal=False)

    assert "Now" not in text
    assert not set(text) & set(BLOCKS.values())
    assert "\norg/b            4.0 GB  leaves: unused for 5.0 s\n" in text


def test_a_terminal_without_unicode_gets_other_blocks() -> None:
    text = shown(AFTER_EVICTION, width=70, terminal=True, encoding="ascii")

    assert "Now   ################--------########................%%%" in text


def test_a_narrow_terminal_gets_no_bars() -> None:
    assert "Now" not in shown(FITS, width=20, terminal=True)


def test_what_leaves_is_struck_through() -> None:
    file = io.StringIO()
    out = Console(file=file, force_terminal=True, color_system="standard", width=80)
    print_plan(AFTER_EVICTION, MEMORY, MANAGER, out)
    (line,) = (line for line in file.getvalue().splitlines() if "org/b" in line)
    assert "\x1b[2;9morg/b" in line


def test_a_context_that_was_cut_says_so() -> None:
    rows = dict(plan_rows(FITS))
    because = "(the model was made for no more)"
    assert rows["Context"] == (
        f"2,048 tokens instead of 4,096 {because}; 3,000 are the most that fit"
    )
    assert rows["Needs"].startswith("4.0 GB, as estimated: weights 3.0 GB")
    assert dict(plan_rows(TOO_LARGE))["Context"] == (
        f"2,048 tokens instead of 4,096 {because}; none fits"
    )


def test_the_hint_asks_for_the_same_context() -> None:
    assert load_hint(FITS, None) == (
        "To do exactly this: mlx-gui load org/new --plan-token token-1"
    )
    assert "org/new --context 100 --plan-token token-1" in load_hint(FITS, 100)


def test_nothing_in_memory_is_a_bar_as_well() -> None:
    empty = ManagerStatus(
        loaded_models=[], queue=[], max_loaded_models=3, active_requests=0, queued_requests=0
    )
    plan = FITS.model_copy(update={"keep": []})
    parts = memory_parts(plan, empty.loaded_models, other_bytes=8 * GB)
    now, then = bars(
        parts, budget_bytes=24 * GB, total_bytes=32 * GB, width=38, blocks=ASCII_BLOCKS
    )
    assert now.plain == "Now   " + "." * 24 + "%" * 8
    assert then.plain == "Then  " + "+" * 4 + "." * 20 + "%" * 8
