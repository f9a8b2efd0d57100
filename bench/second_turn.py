"""The second turn of a conversation of about 1,000 tokens against its first.

Compared is the time until the first token: the second turn's prompt is the first one, its answer
and one more question. Each round has a conversation of its own. `mlx_lm.server` stands beside on
the same weights in float32, with the same BLAS and threads and without MLX's compiler.
"""

import itertools
from collections.abc import Callable
from functools import partial

from bench.context import Context, environment
from bench.pairs import Sample, interleave
from bench.peers import serving_peer
from bench.prose import story
from bench.report import Bound, Row, ratio_row
from bench.server import serving
from bench.timing import Ask, Timing

_SENTENCES = 62
_TOKENS = 24


def measure(context: Context) -> list[Row]:
    """The ratio of both turns here, there, and of the second turns."""
    form = "float32" if context.device.backend == "cpu" else "stored"
    folder = context.model_folder(form)
    conversations = itertools.count(1)
    with (
        serving(
            context.scratch / "second_turn",
            *("--model-dirs", str(context.models_dir)),
            environment=environment(),
            prefix_cache=True,
        ) as server,
        serving_peer(
            "mlx_lm", folder, environment=context.worker_environment, blas=context.blas
        ) as peer,
    ):
        ours = partial(server.ask, f"bench/{form}")
        for ask in (ours, peer.ask):
            ask(Ask("Hello", _TOKENS))
        found = interleave(
            {
                "ours": lambda: _converse(ours, next(conversations)),
                "theirs": lambda: _converse(peer.ask, next(conversations)),
            },
            rounds=context.rounds,
        )
    return [
        ratio_row(
            "second turn by first",
            found["ours"]["second_s"],
            found["ours"]["first_s"],
            "s",
            Bound("≤", 0.045),
        ),
        ratio_row(
            "the same in mlx_lm.server",
            found["theirs"]["second_s"],
            found["theirs"]["first_s"],
            "s",
            None,
        ),
        ratio_row(
            "second turn by mlx_lm.server's",
            found["ours"]["second_s"],
            found["theirs"]["second_s"],
            "s",
            None,
        ),
    ]


def _converse(ask: Callable[[Ask], Timing], number: int) -> Sample:
    first = Ask(story(number, _SENTENCES), _TOKENS)
    answered = ask(first)
    before = [*first.messages, {"role": "assistant", "content": answered.text}]
    second = ask(Ask("And what did the captain say to that?", _TOKENS, before))
    return {"first_s": answered.first_s, "second_s": second.first_s}
