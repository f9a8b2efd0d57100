"""What control plane, worker, HTTP and client add to the time until the first token.

Each request goes to a loaded model. Taken off the time from sending it to its first token at the
client is the engine's own for the same request: what its methods took for template and tokens, and
for every step up to the first token.
"""

import sys

from bench.context import Context, environment
from bench.pairs import Sample, interleave
from bench.report import Bound, Row, difference_row
from bench.server import serving
from bench.timing import Ask, require_same_work

_ASK = Ask("What is the capital of France?", max_tokens=1)
_ASKS_A_ROUND = 5


def measure(context: Context) -> list[Row]:
    """The differences with a real model and with the fake engine."""
    return [
        _measure(context, "real model", "mlx", "bench/stored"),
        _measure(context, "fake engine", "fake", "fake/echo"),
    ]


def _measure(context: Context, what: str, engine: str, model: str) -> Row:
    context.model_folder("stored")
    notes = context.scratch / f"own-time-{engine}"
    with serving(
        context.scratch / f"overhead-{engine}",
        *("--engine", engine, "--model-dirs", str(context.models_dir)),
        environment=environment(),
        program=(sys.executable, "-m", "bench.tapped", str(notes)),
    ) as server:
        server.client.load(model)
        require_same_work(_ASK, server.ask(model, _ASK))

        def ask() -> Sample:
            first_ms = server.ask(model, _ASK).first_s * 1000
            return {"client": first_ms, "engine": float(notes.read_text().split()[-1])}

        found = interleave({what: ask}, rounds=context.rounds * _ASKS_A_ROUND)[what]
    return difference_row(
        f"first token, {what}", found["client"], found["engine"], "ms", Bound("≤", 5)
    )
