"""What control plane, worker, HTTP and client add to the time until the first token.

Each request goes to a loaded model. Taken off the time from sending it to its first token at the
client is the engine's own for the same request: what its methods took for template and tokens, and
for every step up to the first token. Requests follow one another at once. A machine that has rested
answers anything later than one that works, so the last row sends each after a rest, beside what the
same server takes then for an answer that needs neither model nor worker.
"""

import sys
import time
from collections.abc import Callable

from bench.context import Context, environment
from bench.pairs import Sample, interleave
from bench.report import Bound, Row, difference_row, ratio_row
from bench.server import Server, serving
from bench.timing import Ask, require_same_work

_ASK = Ask("What is the capital of France?", max_tokens=1)
_ASKS_A_ROUND = 5


def measure(context: Context) -> list[Row]:
    """The differences with a real model and with the fake engine, and the latter after a rest."""
    return [
        *_measure(context, "real model", "mlx", "bench/stored"),
        *_measure(context, "fake engine", "fake", "fake/echo", rested=True),
    ]


def _measure(
    context: Context, what: str, engine: str, model: str, *, rested: bool = False
) -> list[Row]:
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

        rounds = context.rounds * _ASKS_A_ROUND
        found = interleave({what: ask}, rounds=rounds, rest_s=0)[what]
        row = difference_row(
            f"first token, {what}", found["client"], found["engine"], "ms", Bound("≤", 5)
        )
        return [row, _after_rest(what, ask, server, rounds)] if rested else [row]


def _after_rest(what: str, ask: Callable[[], Sample], server: Server, rounds: int) -> Row:
    def health() -> Sample:
        began_s = time.perf_counter()
        server.answers("/health")
        return {"client": (time.perf_counter() - began_s) * 1000}

    found = interleave({"ask": ask, "health": health}, rounds=rounds)
    return ratio_row(
        f"after a rest, {what}, by GET /health",
        found["ask"]["client"],
        found["health"]["client"],
        "ms",
        None,
    )
