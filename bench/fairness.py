"""Whether many streams get alike, and whether a long prompt lets the others go on.

32 equal requests arrive at once; a stream's speed is its tokens after the first by the time they
took, and the spread is the fastest by the slowest. Then a prompt of about 4,000 tokens arrives
while 4 streams run: each of them should get a token after every chunk that is read of it, but for
the last, after which the prompt has its answer. Counted is the stream that gets fewest, from the
arrival of the prompt to that answer's first token.
"""

import threading
import time
from concurrent.futures import ThreadPoolExecutor
from functools import partial

from bench.context import Context, environment
from bench.crowd import crowd
from bench.pairs import Sample, interleave
from bench.prose import story
from bench.report import Bound, Row, figure_row
from bench.server import Server, serving
from bench.timing import Ask, Timing
from mlx_gui.core.device import LIMITS

_MODEL = "bench/stored"
_STREAMS, _STREAM_TOKENS = 32, 64
_RUNNING, _RUNNING_TOKENS = 4, 400
_LONG_SENTENCES, _LONG_TOKENS = 235, 8
_HEAD_START_S = 5
"""Enough for all of them to run."""
_TO_THE_END = {"ignore_eos": True}
_STORY = "Write a long story about a fox, a boat and an island."


def measure(context: Context) -> list[Row]:
    """What the streams got."""
    context.model_folder("stored")
    flags = ("--model-dirs", str(context.models_dir))
    with serving(context.scratch / "fairness", *flags, environment=environment()) as server:
        server.client.load(_MODEL)
        sides = {"many": partial(_many, server), "long": partial(_beside_a_long_prompt, server)}
        found = interleave(sides, rounds=context.rounds)
    chunk_tokens = LIMITS[context.device.backend].prefill_tokens
    many, long = found["many"], found["long"]
    by_chunk = [
        tokens / (prompt // chunk_tokens - 1)
        for tokens, prompt in zip(long["fewest_tokens"], long["prompt_tokens"], strict=True)
    ]
    return [
        figure_row("streams that were finished", many["done"], "%", Bound("≥", 100)),
        figure_row("fastest by slowest stream", many["spread"], "times", Bound("≤", 1.5)),
        figure_row("tokens a chunk beside a long prompt", by_chunk, "", Bound("≥", 1)),
        figure_row("longest pause beside a long prompt", long["pause_s"], "s", None),
    ]


def _many(server: Server) -> Sample:
    asks = [Ask(f"{number}. {_STORY}", _STREAM_TOKENS) for number in range(_STREAMS)]
    done = crowd([partial(server.ask, _MODEL, ask, _TO_THE_END) for ask in asks], at_once=_STREAMS)
    speeds = [timing.rates()["decode"] for timing in done.timings]
    return {"done": done.finished_percent(), "spread": max(speeds) / min(speeds)}


def _beside_a_long_prompt(server: Server) -> Sample:
    """Times of the running streams are put on the clock that the long prompt is timed by."""
    long = Ask(story(1, _LONG_SENTENCES), _LONG_TOKENS)
    began_s = [0.0] * _RUNNING
    started = threading.Barrier(_RUNNING + 1)

    def run(number: int) -> Timing:
        started.wait()
        began_s[number] = time.perf_counter()
        return server.ask(_MODEL, Ask(f"{number}. {_STORY}", _RUNNING_TOKENS), _TO_THE_END)

    with ThreadPoolExecutor(_RUNNING) as pool:
        running = [pool.submit(run, number) for number in range(_RUNNING)]
        started.wait()
        time.sleep(_HEAD_START_S)
        arrived_s = time.perf_counter()
        timing = server.ask(_MODEL, long, _TO_THE_END)
        read_s = arrived_s + timing.first_s
        came_s = [
            [began_s[number] + at_s for at_s in stream.result().times_s]
            for number, stream in enumerate(running)
        ]
    within = [[at_s for at_s in times_s if arrived_s <= at_s <= read_s] for times_s in came_s]
    pauses_s = [
        later - earlier
        for times_s in within
        for earlier, later in zip([arrived_s, *times_s], [*times_s, read_s], strict=True)
    ]
    return {
        "fewest_tokens": min(map(len, within)),
        "prompt_tokens": timing.prompt_tokens,
        "pause_s": max(pauses_s),
    }
