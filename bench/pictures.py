"""A question about a picture over HTTP against plain mlx-vlm in a process of its own.

The model is Qwen2-VL with random weights, 8 layers of 512 values and a tower of 8 layers of 384,
in float32 on a processor, with the same BLAS and threads and without MLX's compiler. Pictures are
noise of 560x560 pixels in PNG files, 400 tokens each, and every round has a new one. Compared are
times until the first token: of a picture that nobody has seen, and of another question about the
same one.
"""

import itertools
from collections.abc import Callable, Mapping
from pathlib import Path

from bench.child import Child
from bench.context import Context, environment
from bench.pairs import Sample, interleave
from bench.report import Bound, Row, ratio_row
from bench.server import Server, serving
from bench.shown import noise, seeing_model, showing
from bench.timing import Ask

_MODEL = "bench/seeing"
_SIDE = 560
_TOKENS = 4
_FIRST = "What is there in this picture, and of which colour is it?"
_SECOND = "And what stands beside it?"


def measure(context: Context) -> list[Row]:
    """The ratio of both first questions, and of the second question to the first."""
    folder = seeing_model(context, _MODEL)
    numbers = itertools.count()
    with serving(
        context.scratch / "pictures",
        *("--model-dirs", str(context.models_dir)),
        environment=environment(),
        prefix_cache=True,
    ) as server:
        blas = ("--blas", context.blas) if context.blas else ()
        with Child(
            "bench.plain_pictures", str(folder), *blas, environment=context.worker_environment
        ) as plain:
            sides: Mapping[str, Callable[[], Sample]] = {
                "ours": lambda: _ours(server, noise(context.scratch, next(numbers), side=_SIDE)),
                "theirs": lambda: _theirs(plain, noise(context.scratch, next(numbers), side=_SIDE)),
            }
            for side in sides.values():
                side()
            found = interleave(dict(sides), rounds=context.rounds)
    first, second = found["ours"]["first"], found["ours"]["second"]
    return [
        ratio_row(
            "prefill with a picture", first, found["theirs"]["first"], "/s", Bound("≥", 0.95)
        ),
        ratio_row("another question about it, by the first", second, first, "/s", Bound("≥", 3)),
    ]


def _ours(server: Server, path: Path) -> Sample:
    shown = showing(path)
    first = server.ask(_MODEL, Ask(_FIRST, _TOKENS, [shown]))
    second = server.ask(_MODEL, Ask(_SECOND, _TOKENS, [shown]))
    return {"first": 1 / first.first_s, "second": 1 / second.first_s}


def _theirs(plain: Child, path: Path) -> Sample:
    before = [{"role": "user", "content": str(path)}]
    return {"first": 1 / plain.ask(Ask(_FIRST, _TOKENS, before)).first_s}
