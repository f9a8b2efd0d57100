"""First token from a model that is installed but not loaded, against a fresh plain interpreter.

mlx-gui: a request to a running server, which starts a worker. Plain: a new Python that calls
`mlx_lm.load` and generates one token for the same prompt, timed from its start. Files are in the
page cache. On the float32 folder plain mlx-lm opens the same BLAS first, so that loading is what
is compared; on the packed folder with float32 scales it is as installed.
"""

from collections.abc import Mapping
from functools import partial

from bench.child import Child
from bench.context import Context, environment
from bench.pairs import Sample, interleave
from bench.report import Bound, Row, ratio_row
from bench.server import Server, serving
from bench.timing import Ask

_ASK = Ask("What is the capital of France?", max_tokens=1)
_BOUND = Bound("≤", 1.2)


def measure(context: Context) -> list[Row]:
    """The ratios for a dense folder and for a packed one."""
    dense, packed = (context.model_folder(form) for form in ("float32", "float32-scales"))
    blas = ("--blas", context.blas) if context.blas else ()
    flags = ("--model-dirs", str(context.models_dir))
    with serving(context.scratch / "cold_load", *flags, environment=environment()) as server:
        sides = {
            "dense ours": partial(_ours, server, "bench/float32"),
            "dense plain": partial(_plain, str(dense), *blas, env=context.worker_environment),
            "packed ours": partial(_ours, server, "bench/float32-scales"),
            "packed plain": partial(_plain, str(packed), env=context.plain_environment),
        }
        for measure_side in sides.values():
            measure_side()
        found = interleave(sides, rounds=context.rounds)
    return [
        ratio_row(
            f"{name} folder",
            found[f"{name} ours"]["first_s"],
            found[f"{name} plain"]["first_s"],
            "s",
            _BOUND,
        )
        for name in ("dense", "packed")
    ]


def _ours(server: Server, model: str) -> Sample:
    timing = server.ask(model, _ASK)
    server.client.unload(model)
    return {"first_s": timing.first_s}


def _plain(*arguments: str, env: Mapping[str, str]) -> Sample:
    with Child("bench.plain", *arguments, environment=env) as plain:
        plain.ask(_ASK)
        return {"first_s": plain.age_s()}
