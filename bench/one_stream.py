"""One stream over HTTP against plain `mlx_lm.stream_generate` in a process of its own.

Both hold the same weights in the same form, with the same BLAS and threads and without MLX's
compiler. The answers are greedy and 96 tokens long. Decode is the tokens after the first by the
time they took, the whole answer its tokens by the time since the request.
"""

from functools import partial

from bench.child import Child
from bench.context import Context, environment
from bench.pairs import interleave
from bench.report import Bound, Row, ratio_row
from bench.server import serving
from bench.timing import Ask, require_same_work

_ASK = Ask("Write a long story about the keeper of a lighthouse and a storm.", max_tokens=96)
_MODEL = "bench/stored"


def measure(context: Context) -> list[Row]:
    """The ratios of decoding and of the whole answer."""
    folder = context.model_folder("stored")
    with serving(
        context.scratch / "one_stream",
        "--model-dirs",
        str(context.models_dir),
        environment=environment(),
    ) as server:
        server.client.load(_MODEL)
        blas = ("--blas", context.blas) if context.blas else ()
        with Child(
            "bench.plain",
            str(folder),
            "--form",
            server.weight_form(_MODEL),
            *blas,
            environment=context.worker_environment,
        ) as plain:
            require_same_work(_ASK, server.ask(_MODEL, _ASK), plain.ask(_ASK))
            found = interleave(
                {
                    "ours": lambda: server.ask(_MODEL, _ASK).rates(),
                    "theirs": lambda: plain.ask(_ASK).rates(),
                },
                rounds=context.rounds,
            )
    row = partial(ratio_row, unit="tok/s", bound=Bound("≥", 0.97))
    return [
        row("decode", found["ours"]["decode"], found["theirs"]["decode"]),
        row("whole answer", found["ours"]["whole"], found["theirs"]["whole"]),
    ]
