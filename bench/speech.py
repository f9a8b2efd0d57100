"""A Pocket TTS over HTTP against plain mlx-audio in a process of its own.

The model has the shape of the real one, 114 million parameters, and random weights: it never finds
an end, and so speaks four seconds of noise for two words. Both sides hold the same weights in the
same form, with the same BLAS and threads and without MLX's compiler, and give their sound frame by
frame. Counted are seconds of sound by the time from the request to the last sample, and the time to
the first.
"""

import json
import subprocess
import sys
import time
from collections.abc import Callable

from bench.child import ROOT, Child
from bench.context import Context, environment
from bench.pairs import Sample, interleave
from bench.report import Row, ratio_row
from bench.server import Server, serving
from bench.timing import Ask

_MODEL = "bench/pocket-tts"
_TEXT = "Good morning."
_SAMPLE_BYTES = 2


def measure(context: Context) -> list[Row]:
    """The ratios of the speeds, and of the times to the first sound."""
    folder = context.models_dir / _MODEL
    subprocess.run([sys.executable, "-m", "tests.voices", folder, "--real"], cwd=ROOT, check=True)
    rate_hz = json.loads((folder / "config.json").read_bytes())["mimi"]["sample_rate"]
    with serving(
        context.scratch / "speech",
        "--model-dirs",
        str(context.models_dir),
        environment=environment(),
    ) as server:
        server.client.load(_MODEL)
        form = server.weight_form(_MODEL)
        blas = ("--blas", context.blas) if context.blas else ()
        with Child(
            "bench.plain_speaking",
            *(str(folder), "--form", form, *blas),
            environment=context.worker_environment,
        ) as plain:
            sides: dict[str, Callable[[], Sample]] = {
                "ours": lambda: _ours(server, rate_hz),
                "theirs": lambda: _theirs(plain, rate_hz),
            }
            found = interleave(sides, rounds=context.rounds)
    ours, theirs = found["ours"], found["theirs"]
    return [
        ratio_row("4 s of speech", ours["speed"], theirs["speed"], "x", None),
        ratio_row("to the first sound", ours["first_ms"], theirs["first_ms"], "ms", None),
    ]


def _ours(server: Server, rate_hz: int) -> Sample:
    began_s = time.perf_counter()
    first_s, size_bytes = 0.0, 0
    fields = {"model": _MODEL, "input": _TEXT, "response_format": "pcm"}
    with server.client.speak(fields) as pieces:
        for piece in pieces:
            first_s = first_s or time.perf_counter() - began_s
            size_bytes += len(piece)
    took_s = time.perf_counter() - began_s
    return {"speed": size_bytes / _SAMPLE_BYTES / rate_hz / took_s, "first_ms": first_s * 1000}


def _theirs(plain: Child, rate_hz: int) -> Sample:
    timing = plain.ask(Ask(_TEXT, max_tokens=0))
    return {"speed": timing.tokens / rate_hz / timing.last_s, "first_ms": timing.first_s * 1000}
