"""The engine on a processor against plain mlx-lm as installed, on the same folder.

The folder holds the weights packed, with scales in float32: the stored form that plain mlx-lm
computes fastest with. Plain mlx-lm has the BLAS that MLX brings, and compiles as it does by
default. mlx-gui answers over HTTP, once with all it has and once without a C compiler and so
without the shim. Prompts have 256 tokens, answers 24; prefill is the prompt's tokens by the time
until the first token, decode the later tokens by the time they took.
"""

from contextlib import ExitStack
from functools import partial

from bench.child import Child
from bench.context import Context, environment
from bench.pairs import interleave
from bench.report import Bound, Row, ratio_row
from bench.server import Server, serving
from bench.timing import Ask, Timing, require_same_work

_MODEL = "bench/float32-scales"
_ASK = Ask(
    "Go on with this story, and tell what the crew found below the ice. The ship had been stuck "
    "for three weeks when the cook noticed that the ice was humming. At first nobody believed him. "
    "The captain said that wood under pressure makes all kinds of sounds, and the doctor gave him "
    "two days in bed. But on the third night the whole crew stood on deck and listened, and there "
    "it was: a low, even note, like a bell that somebody had struck a long time ago and that had "
    "never stopped. The first mate put his ear to the ground and counted. Every nine minutes the "
    "note went up a little, stayed there for as long as one needs to fill a pipe, and sank again. "
    "They took their tools and began to dig. The ice was blue and hard as stone, and in the light "
    "of the lamps they saw thin lines in it, straight ones, which crossed each other like streets "
    "on a map. On the morning of the second day the youngest sailor broke through into a room. It "
    "was warm in there, and on the walls somebody had counted the days for a great many years.",
    max_tokens=24,
)


def measure(context: Context) -> list[Row]:
    """The ratios of reading a prompt and of writing an answer."""
    if context.device.backend != "cpu":
        return []
    folder = context.model_folder("float32-scales")
    no_programs = context.scratch / "no-programs"
    no_programs.mkdir()
    with ExitStack() as stack:

        def server(name: str, changes: dict[str, str]) -> Server:
            flags = ("--model-dirs", str(context.models_dir))
            made = stack.enter_context(
                serving(context.scratch / name, *flags, environment=environment(changes))
            )
            made.client.load(_MODEL)
            return made

        full = server("cpu-full", {})
        bare = server("cpu-bare", {"PATH": str(no_programs)})
        plain = stack.enter_context(
            Child("bench.plain", str(folder), environment=context.plain_environment)
        )
        sides = {
            "full": partial(full.ask, _MODEL, _ASK),
            "plain": partial(plain.ask, _ASK),
            "bare": partial(bare.ask, _MODEL, _ASK),
        }
        require_same_work(_ASK, *(ask() for ask in sides.values()))
        found = interleave(
            {name: partial(_rates, ask) for name, ask in sides.items()}, rounds=context.rounds
        )
    rows = [
        ("prefill", "full", Bound("≥", 8)),
        ("decode", "full", Bound("≥", 3)),
        ("prefill", "bare", Bound("≥", 8)),
        ("decode", "bare", Bound("≥", 1.5)),
    ]
    names = {"full": "with the shim", "bare": "without it"}
    return [
        ratio_row(f"{rate}, {names[side]}", found[side][rate], found["plain"][rate], "tok/s", bound)
        for rate, side, bound in rows
    ]


def _rates(ask: partial[Timing]) -> dict[str, float]:
    return ask().rates()
