"""The servers of mlx-lm and mlx-vlm against mlx-gui, with 1 to 16 requests at once.

First with equal settings: the same float32 folder, the same BLAS opened before MLX, one thread, no
compiling, room for 16 sequences. Then mlx-gui as it comes against the others as they come, on a
packed folder with scales in float32: the stored form that the others compute fastest with. Prompts
differ from their first words on, answers are greedy and 32 tokens long, and an answered request's
place is taken by the next one at once. Rates are of all tokens. Compared is the better of the two
others in each round.
"""

import itertools
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial

from bench.context import Context, environment
from bench.crowd import crowd
from bench.pairs import Sample, interleave
from bench.peers import Program, serving_peer
from bench.report import Bound, Row, figure_row, ratio_row
from bench.server import serving
from bench.timing import Ask, Timing
from mlx_gui.core.model import WeightForm

_TOKENS = 32
_OURS = "mlx_gui"
_OTHERS: tuple[Program, ...] = ("mlx_lm", "mlx_vlm")
_FEW_ROUNDS = 3
"""Enough for a multiple, and the others take long as they are installed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Race:
    """`requests` says how many are sent by how many are at once; `blas` is for the others."""

    form: WeightForm
    requests: Mapping[int, int]
    flags: tuple[str, ...]
    environment: Mapping[str, str]
    blas: str | None
    rounds: int


def measure(context: Context) -> list[Row]:
    """The ratios of speed and of waiting, and whether all requests were finished."""
    on_cpu = context.device.backend == "cpu"
    equal = _Race(
        form="float32" if on_cpu else "stored",
        requests={1: 2, 4: 8, 8: 16, 16: 32},
        flags=("--slots", "16"),
        environment=context.worker_environment,
        blas=context.blas,
        rounds=context.rounds,
    )
    found = _run(context, equal)
    rows = [row for at_once in equal.requests for row in _rows(found, at_once)]
    done = [percent for at_once in equal.requests for percent in found[_OURS, at_once]["done"]]
    rows.append(figure_row("finished requests", done, "%", Bound("≥", 100)))
    return [*rows, *_as_installed(context)] if on_cpu else rows


def _rows(found: Mapping[tuple[str, int], dict[str, list[float]]], at_once: int) -> list[Row]:
    lm, vlm = (found[name, at_once] for name in _OTHERS)
    return [
        ratio_row(
            f"all tokens, {at_once} at once",
            found[_OURS, at_once]["rate"],
            list(map(max, lm["rate"], vlm["rate"])),
            "tok/s",
            Bound("≥", 1),
        ),
        ratio_row(
            f"first token of 95 %, {at_once} at once",
            found[_OURS, at_once]["first_s"],
            list(map(min, lm["first_s"], vlm["first_s"])),
            "s",
            Bound("≤", 1),
        ),
    ]


def _as_installed(context: Context) -> list[Row]:
    race = _Race(
        form="float32-scales",
        requests={1: 1, 8: 8},
        flags=(),
        environment=context.plain_environment,
        blas=None,
        rounds=min(context.rounds, _FEW_ROUNDS),
    )
    found = _run(context, race)
    return [
        ratio_row(
            f"all tokens as installed, {at_once} at once",
            found[_OURS, at_once]["rate"],
            list(map(max, *(found[name, at_once]["rate"] for name in _OTHERS))),
            "tok/s",
            Bound("≥", times),
        )
        for at_once, times in ((1, 4), (8, 12))
    ]


def _run(context: Context, race: _Race) -> dict[tuple[str, int], dict[str, list[float]]]:
    """What was measured, by the server and how many requests were at once."""
    folder = context.model_folder(race.form)
    numbers = itertools.count(1)
    flags = ("--model-dirs", str(context.models_dir), *race.flags)
    data_dir = context.scratch / f"servers-{race.form}"
    with ExitStack() as stack:
        ours = stack.enter_context(serving(data_dir, *flags, environment=environment()))
        askers: dict[str, Callable[[Ask], Timing]] = {
            _OURS: partial(ours.ask, f"bench/{race.form}")
        }
        for name in _OTHERS:
            peer = stack.enter_context(
                serving_peer(name, folder, environment=race.environment, blas=race.blas)
            )
            askers[name] = peer.ask
        for ask in askers.values():
            ask(_ask(next(numbers)))

        def run(name: str, at_once: int) -> Sample:
            asks = [_ask(next(numbers)) for _ in range(race.requests[at_once])]
            done = crowd([partial(askers[name], ask) for ask in asks], at_once=at_once)
            return {
                "rate": done.rate(),
                "first_s": done.first_p95_s(),
                "done": done.finished_percent(),
            }

        return interleave(
            {
                (name, at_once): partial(run, name, at_once)
                for at_once in race.requests
                for name in askers
            },
            rounds=race.rounds,
        )


def _ask(number: int) -> Ask:
    """The system's turn is where prompts begin to differ: no cache has more than a few tokens."""
    system = {"role": "system", "content": f"{number} is the number of this conversation."}
    text = "Write a long story about the keeper of a lighthouse, a storm and a lost ship."
    return Ask(text, _TOKENS, [system])
