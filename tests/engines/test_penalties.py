"""Penalties and bias, against what their definitions say. MLX runs in a child."""

import math
from collections import Counter
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mlx_gui.core.errors import InvalidRequest
from tests.engines.remote import RemoteEngine

VOCABULARY = 12
TOKENS = st.lists(st.integers(0, VOCABULARY - 1), min_size=1, max_size=8)
LOGITS = st.lists(st.floats(-50, 50, width=32), min_size=VOCABULARY, max_size=VOCABULARY)


def applied(
    name: str,
    arguments: dict[str, Any],
    prompt: list[int],
    answer: list[int],
    logits: list[float],
    dtype: str = "float32",
) -> list[list[float]]:
    """In the child: the logits of each step, from the prompt alone to the whole answer."""
    import mlx.core as mx

    from mlx_gui.engines.text import penalties

    process = getattr(penalties, name)(**arguments)
    row = mx.array([logits]).astype(getattr(mx, dtype))
    steps: list[Any] = []
    for length in range(len(answer) + 1):
        context = mx.array(prompt + answer[:length], mx.int32)
        steps.append(process(context, row))
    assert all(step.dtype == row.dtype and step.shape == row.shape for step in steps)
    return [step.astype(mx.float32)[0].tolist() for step in steps]


def close(got: list[float], want: list[float]) -> bool:
    return bool(np.allclose(got, want, rtol=1e-5, atol=1e-4))


@settings(max_examples=30, deadline=None)
@given(
    prompt=TOKENS,
    answer=TOKENS,
    logits=LOGITS,
    presence=st.floats(-2, 2),
    frequency=st.floats(-2, 2),
)
def test_presence_and_frequency_count_the_answer_alone(
    engine: RemoteEngine,
    prompt: list[int],
    answer: list[int],
    logits: list[float],
    presence: float,
    frequency: float,
) -> None:
    arguments = {"presence": presence, "frequency": frequency}
    steps = engine.child.call(applied, "CountPenalty", arguments, prompt, answer, logits)
    for length, got in enumerate(steps):
        counts = Counter(answer[:length])
        want = [
            logit - counts[token] * frequency - (counts[token] > 0) * presence
            for token, logit in enumerate(logits)
        ]
        assert close(got, want)


@settings(max_examples=30, deadline=None)
@given(prompt=TOKENS, answer=TOKENS, logits=LOGITS, penalty=st.floats(0.1, 2))
def test_repetition_punishes_prompt_and_answer_alike(
    engine: RemoteEngine, prompt: list[int], answer: list[int], logits: list[float], penalty: float
) -> None:
    arguments = {"penalty": penalty, "prompt": prompt}
    steps = engine.child.call(applied, "RepetitionPenalty", arguments, prompt, answer, logits)
    for length, got in enumerate(steps):
        seen = {*prompt, *answer[:length]}
        want = [
            (logit / penalty if logit > 0 else logit * penalty) if token in seen else logit
            for token, logit in enumerate(logits)
        ]
        assert close(got, want)


@pytest.mark.parametrize("penalty", [1e-38, 1e-3, 1e38])
def test_no_repetition_penalty_makes_a_number_that_is_none(
    engine: RemoteEngine, penalty: float
) -> None:
    logits = [50.0, -50.0, 0.0] * 4
    arguments = {"penalty": penalty, "prompt": [0, 1, 2]}
    for step in engine.child.call(applied, "RepetitionPenalty", arguments, [0, 1, 2], [], logits):
        assert all(map(math.isfinite, step))


def test_a_bias_is_added_to_its_tokens_alone(engine: RemoteEngine) -> None:
    bias = {0: 100.0, 3: -100.0, VOCABULARY - 1: 0.5}
    logits = [float(token) for token in range(VOCABULARY)]
    steps = engine.child.call(applied, "LogitBias", {"bias": bias}, [1], [2, 3], logits)
    want = [logit + bias.get(token, 0) for token, logit in enumerate(logits)]
    assert [close(step, want) for step in steps] == [True] * 3


@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
@pytest.mark.parametrize(
    ("name", "arguments"),
    [
        ("LogitBias", {"bias": {1: 5.0}}),
        ("CountPenalty", {"presence": 1.0, "frequency": 1.0}),
        ("RepetitionPenalty", {"penalty": 1.5, "prompt": [1]}),
    ],
)
def test_logits_stay_in_the_models_own_numbers(
    engine: RemoteEngine, name: str, arguments: dict[str, Any], dtype: str
) -> None:
    steps = engine.child.call(applied, name, arguments, [1], [1], [2.0] * VOCABULARY, dtype)
    assert steps[-1][1] != 2.0
    assert steps[-1][2] == 2.0


@pytest.mark.parametrize("name", ["LogitBias", "RepetitionPenalty"])
def test_ids_without_a_logit_are_left_out(engine: RemoteEngine, name: str) -> None:
    ids = [2, VOCABULARY, 999_999, 2_000_000_000, -1]
    arguments: dict[str, Any] = (
        {"bias": dict.fromkeys(ids, 1.0)}
        if name == "LogitBias"
        else {"penalty": 0.5, "prompt": ids}
    )
    (step,) = engine.child.call(applied, name, arguments, [0], [], [1.0] * VOCABULARY)
    assert [token for token, logit in enumerate(step) if logit != 1.0] == [2]


def check(bias: dict[int, float]) -> None:
    """In the child."""
    from mlx_gui.engines.text.penalties import check_logit_bias

    check_logit_bias(bias, VOCABULARY)


@pytest.mark.parametrize(
    ("bias", "said"),
    [
        ({2_000_000_000: 1.0}, "the token 2000000000; the model has those below 12"),
        ({999_999: 1.0}, "the token 999999; the model has those below 12"),
        ({VOCABULARY: 1.0}, "the token 12; the model has those below 12"),
        ({-1: 1.0}, "the token -1; the model has those below 12"),
        ({3: 100.5}, "the token 3 is 100.5; it may be from -100 to 100"),
        ({3: -math.inf}, "the token 3 is -inf; it may be from -100 to 100"),
        ({3: math.nan}, "the token 3 is nan; it may be from -100 to 100"),
    ],
)
def test_a_bias_that_may_not_reach_mlx_is_refused(
    engine: RemoteEngine, bias: dict[int, float], said: str
) -> None:
    with pytest.raises(InvalidRequest, match=said) as refused:
        engine.child.call(check, bias)
    assert refused.value.details["param"] == "logit_bias"


def test_every_bias_within_the_bounds_is_taken(engine: RemoteEngine) -> None:
    engine.child.call(check, {0: 100.0, VOCABULARY - 1: -100.0, 5: 0.0})
