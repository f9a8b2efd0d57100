"""What a JSON schema costs with 8 streams: tokens a second with it against without.

The same prompts, all at once, answers of 48 tokens. The schema asks for a string that is longer
than that, so that both sides write as much.
"""

import itertools
from functools import partial

from bench.context import Context, environment
from bench.crowd import crowd
from bench.pairs import Sample, interleave
from bench.report import Bound, Row, ratio_row
from bench.server import Server, serving
from bench.timing import Ask, Timing

_STREAMS = 8
_TOKENS = 48
_SCHEMA = {
    "type": "object",
    "properties": {
        "title": {"type": "string", "maxLength": 40},
        "chapters": {"type": "integer", "minimum": 1, "maximum": 20},
        "text": {"type": "string", "minLength": 1000},
    },
    "required": ["title", "chapters", "text"],
    "additionalProperties": False,
}
_FORMAT = {
    "type": "json_schema",
    "json_schema": {"name": "story", "schema": _SCHEMA, "strict": True},
}


def measure(context: Context) -> list[Row]:
    """The ratio of the rates of all streams."""
    context.model_folder("stored")
    flags = ("--model-dirs", str(context.models_dir), "--slots", str(_STREAMS))
    with serving(context.scratch / "schema", *flags, environment=environment()) as server:
        numbers = itertools.count(1)
        sides = {
            "with": lambda: _rate(server, next(numbers), {"response_format": _FORMAT}),
            "without": lambda: _rate(server, next(numbers), {}),
        }
        for side in sides.values():
            side()
        found = interleave(sides, rounds=context.rounds)
    bound = Bound("≥", 0.9)
    return [
        ratio_row("with a schema", found["with"]["rate"], found["without"]["rate"], "tok/s", bound)
    ]


def _rate(server: Server, number: int, more: dict[str, object]) -> Sample:
    asks = [
        Ask(f"Write story {number} with chapter {place} about a fox, as JSON.", _TOKENS)
        for place in range(_STREAMS)
    ]
    done = crowd([partial(server.ask, "bench/stored", ask, more) for ask in asks], at_once=_STREAMS)
    _require_work(done.timings, schema=bool(more))
    return {"rate": done.rate()}


def _require_work(timings: list[Timing], *, schema: bool) -> None:
    """Raises ValueError unless all wrote as much as was asked, and JSON if that was asked."""
    written = [timing.tokens for timing in timings]
    if written != [_TOKENS] * _STREAMS:
        raise ValueError(f"Not the same work: answers of {written} tokens.")
    if schema and not all(timing.text.startswith("{") for timing in timings):
        raise ValueError(f"The schema was ignored: {timings[0].text[:40]!r}")
