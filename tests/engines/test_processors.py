"""What stands between logits and sampler. MLX runs in a child."""

from pathlib import Path
from typing import Any

import pytest

from mlx_gui.core.errors import InternalError, InvalidRequest, MlxGuiError
from mlx_gui.core.generation import Grammar, Sampling
from tests.engines.parts import FIXED, Ask, generate, processors_of
from tests.engines.remote import RemoteEngine
from tests.zoo.cache import checkpoint


@pytest.fixture(scope="module")
def folder() -> Path:
    return checkpoint("SmolLM2-tiny")


def failing(error: Exception) -> tuple[list[int], int, Any]:
    """In the child: the logits of three steps, the calls of the last processor, the error."""
    import mlx.core as mx

    from mlx_gui.engines.text.processors import GuardedProcessors

    calls: list[int] = []

    def adds_one(context: mx.array, logits: mx.array) -> mx.array:
        return logits + 1

    def fails_second(context: mx.array, logits: mx.array) -> mx.array:
        calls.append(context.size)
        if context.size == 2:
            raise error
        return logits * 2

    guarded = GuardedProcessors([adds_one, fails_second])
    row = mx.array([[3.0]])
    steps = [int(guarded(mx.zeros(size, mx.int32), row).item()) for size in (1, 2, 3)]
    assert guarded.error is not None
    return steps, len(calls), guarded.error


@pytest.mark.parametrize(
    "error", [InvalidRequest("no"), ValueError("no"), RuntimeError("no"), KeyError("no")]
)
def test_an_error_ends_the_processors_and_leaves_the_logits(
    engine: RemoteEngine, error: Exception
) -> None:
    steps, calls, kept = engine.child.call(failing, error)
    assert (steps, calls) == ([8, 3, 3], 2)
    assert type(kept) is (type(error) if isinstance(error, MlxGuiError) else InternalError)
    assert "no" in str(kept)


def count(folder: Path, ask: Ask) -> int | None:
    """In the child: how many processors an Ask takes."""
    made = processors_of(folder, ask)
    return None if made is None else len(made._processors)


def test_who_asks_for_nothing_gets_no_processor(engine: RemoteEngine, folder: Path) -> None:
    assert engine.child.call(count, folder, Ask()) is None
    assert engine.child.call(count, folder, Ask(stage="thinking")) is None
    everything = Sampling(
        temperature=0,
        repetition_penalty=1.1,
        presence_penalty=0.5,
        frequency_penalty=0.5,
        logit_bias={1: 2.0},
    )
    ask = Ask(
        sampling=everything, stage="thinking", budget_tokens=3, grammar=Grammar("regex", "a{3}")
    )
    assert engine.child.call(count, folder, ask) == 5


def test_all_of_them_work_together(engine: RemoteEngine, folder: Path) -> None:
    ask = Ask(
        sampling=Sampling(
            seed=1,
            top_k=40,
            repetition_penalty=1.2,
            presence_penalty=0.5,
            frequency_penalty=-0.5,
            logit_bias={5: 100.0},
        ),
        stage="thinking",
        budget_tokens=2,
        grammar=Grammar("regex", "(yes|no){3}"),
        max_tokens=60,
    )
    (said,) = engine.child.call(generate, folder, [ask])
    thought, answer = said.text.split("</think>")
    assert (said.finish, said.error) == ("stop", None)
    assert thought
    assert answer.replace("yes", "").replace("no", "") == ""


def test_a_bias_forces_and_bans_in_a_batch(engine: RemoteEngine, folder: Path) -> None:
    free = engine.child.call(generate, folder, [Ask(max_tokens=12)])[0]
    banned = dict.fromkeys(set(free.ids), -100.0)
    forced, other, same = engine.child.call(
        generate,
        folder,
        [
            Ask(max_tokens=12, sampling=_with(logit_bias={70: 100.0})),
            Ask(max_tokens=12, sampling=_with(logit_bias=banned)),
            Ask(max_tokens=12),
        ],
    )
    assert forced.ids == [70] * 12
    assert not {*other.ids} & {*free.ids}
    assert same == free


def test_frequency_keeps_a_forced_token_from_coming_for_ever(
    engine: RemoteEngine, folder: Path
) -> None:
    sampling = _with(logit_bias={70: 8.0}, frequency_penalty=2.0)
    (said,) = engine.child.call(generate, folder, [Ask(max_tokens=40, sampling=sampling)])
    assert 1 <= said.ids.count(70) < 12


def _with(**settings: Any) -> Sampling:
    import msgspec

    return msgspec.structs.replace(FIXED, **settings)
