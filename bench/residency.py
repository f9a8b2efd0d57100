"""What it costs to change from one model to another, to load one and to take one out of memory.

A switch is a request to another loaded model than the one before, against a request to the same
one; both are models of the fake engine, so that nothing but the way there is measured. A load with
a warm spare is timed from the request to its answer, against `mlx_lm.load` in a new interpreter
that has imported it and opened the same BLAS. An unload is timed from the request to its answer,
which comes when the worker has ended; what came back is by how much the system's available memory
grew, of what the worker held at the end.
"""

import time
from collections.abc import Mapping
from functools import partial

from bench.child import Child
from bench.context import Context, environment
from bench.pairs import Sample, interleave
from bench.report import Bound, Row, difference_row, figure_row, ratio_row
from bench.server import Server, serving
from bench.timing import Ask

_ASK = Ask("What is the capital of France?", max_tokens=1)
_ASKS_A_ROUND = 20
_SPARE_DEADLINE_S = 60
_MODEL = "bench/float32"


def measure(context: Context) -> list[Row]:
    """The difference of a switch, the ratio of a load, and the figures of an unload."""
    return [_switch(context), *_loads(context)]


def _switch(context: Context) -> Row:
    flags = ("--engine", "fake", "--no-warm-spare")
    with serving(context.scratch / "switch", *flags, environment=environment()) as server:
        for model in ("fake/echo", "fake/second"):
            server.client.load(model)
            server.ask(model, _ASK)
        sides = {
            "same": partial(_asked, server, "fake/echo", "fake/echo"),
            "other": partial(_asked, server, "fake/second", "fake/echo"),
        }
        found = interleave(sides, rounds=context.rounds * _ASKS_A_ROUND, rest_s=0.01)
    return difference_row(
        "switch of models", found["other"]["ms"], found["same"]["ms"], "ms", Bound("≤", 2)
    )


def _asked(server: Server, before: str, model: str) -> Sample:
    server.ask(before, _ASK)
    return {"ms": server.ask(model, _ASK).first_s * 1000}


def _loads(context: Context) -> list[Row]:
    folder = context.model_folder("float32")
    blas = ("--blas", context.blas) if context.blas else ()
    flags = ("--model-dirs", str(context.models_dir))
    with serving(context.scratch / "loads", *flags, environment=environment()) as server:
        sides = {
            "ours": partial(_loaded, server),
            "plain": partial(_plain, str(folder), *blas, env=context.worker_environment),
        }
        for measure_side in sides.values():
            measure_side()
        found = interleave(sides, rounds=context.rounds)
    ours, plain = found["ours"], found["plain"]
    return [
        ratio_row("load with a warm spare", ours["s"], plain["s"], "s", Bound("≤", 1.15)),
        figure_row("unload, until the worker has ended", ours["unload_s"], "s", None),
        figure_row("memory that came back", ours["returned_percent"], "%", Bound("≥", 95)),
    ]


def _loaded(server: Server) -> Sample:
    _await_spare(server)
    began_s = time.perf_counter()
    server.client.load(_MODEL)
    loaded_s = time.perf_counter() - began_s
    began_s = time.perf_counter()
    result = server.client.unload(_MODEL)
    unload_s = time.perf_counter() - began_s
    returned = result.returned
    assert returned is not None, "a worker was ended"
    came_back = returned.available_after_bytes - returned.available_before_bytes
    percent = 100 * came_back / returned.held_bytes
    return {"s": loaded_s, "unload_s": unload_s, "returned_percent": percent}


def _plain(*arguments: str, env: Mapping[str, str]) -> Sample:
    with Child("bench.plain_load", *arguments, environment=env) as plain:
        return {"s": plain.ask(_ASK).first_s}


def _await_spare(server: Server) -> None:
    ends_s = time.monotonic() + _SPARE_DEADLINE_S
    while not server.client.manager().spare_ready:
        if time.monotonic() > ends_s:
            raise RuntimeError("The server started no spare worker.")
        time.sleep(0.05)
