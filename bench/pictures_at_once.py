"""Questions about four pictures at once: mlx-gui beside the server of mlx-vlm.

Both have the same model in float32, that of `pictures`, with the same BLAS opened before MLX, one
thread and no compiling. In a round both are shown the same four pictures of 224x224 pixels, which
nobody has seen before, all four at the same time, and write 192 tokens about each. Decode is what
is written from when all four have begun until the last one ends, by that time; the whole is all
tokens that are written by all of the time, towers and prompts included.
"""

import itertools
from collections.abc import Callable, Mapping, Sequence
from functools import partial

from bench.context import Context, environment
from bench.crowd import crowd
from bench.pairs import Sample, interleave
from bench.peers import serving_peer
from bench.report import Bound, Row, ratio_row
from bench.server import serving
from bench.shown import noise, seeing_model, showing
from bench.timing import Ask, Timing

_MODEL = "bench/seeing-at-once"
_AT_ONCE = 4
_SIDE = 224
_TOKENS = 192
_QUESTION = "What is there in this picture, and of which colour is it?"


def measure(context: Context) -> list[Row]:
    """The ratios of decoding, of the whole, and of the longest wait for a first token."""
    on_cpu = context.device.backend == "cpu"
    folder = seeing_model(context, _MODEL, *(("--float32",) if on_cpu else ()))
    data_dir = context.scratch / "pictures-at-once"
    flags = ("--model-dirs", str(context.models_dir))
    with (
        serving(data_dir, *flags, environment=environment()) as ours,
        serving_peer(
            "mlx_vlm", folder, environment=context.worker_environment, blas=context.blas
        ) as theirs,
    ):
        askers = {"ours": partial(ours.ask, _MODEL), "theirs": theirs.ask}
        # Each side is shown the pictures of the same numbers.
        numbers = {name: itertools.count() for name in askers}

        def run(name: str) -> Sample:
            asks = [_ask(context, next(numbers[name])) for _ in range(_AT_ONCE)]
            return _measured([partial(askers[name], ask) for ask in asks])

        sides: Mapping[str, Callable[[], Sample]] = {name: partial(run, name) for name in askers}
        for side in sides.values():
            side()
        found = interleave(sides, rounds=context.rounds)
    mine, other = found["ours"], found["theirs"]
    return [
        ratio_row("decode of 4 at once", mine["decode"], other["decode"], "tok/s", Bound("≥", 1)),
        ratio_row("4 answers as a whole", mine["whole"], other["whole"], "tok/s", None),
        ratio_row("all 4 have begun", mine["first_s"], other["first_s"], "s", None),
    ]


def _ask(context: Context, number: int) -> Ask:
    return Ask(_QUESTION, _TOKENS, [showing(noise(context.scratch, number, side=_SIDE))])


def _measured(asks: Sequence[Callable[[], Timing]]) -> Sample:
    done = crowd(asks, at_once=_AT_ONCE)
    if len(done.timings) < _AT_ONCE:
        raise RuntimeError("A request about a picture was not answered.")
    begun_s = max(timing.first_s for timing in done.timings)
    written = sum(_written_after(timing, begun_s) for timing in done.timings)
    took_s = max(timing.last_s for timing in done.timings) - begun_s
    return {"decode": written / took_s, "whole": done.rate(), "first_s": begun_s}


def _written_after(timing: Timing, begun_s: float) -> float:
    """The tokens that came later; a piece of text may have several."""
    later = sum(time_s > begun_s for time_s in timing.times_s)
    return timing.tokens * later / len(timing.times_s)
