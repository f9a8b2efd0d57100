"""What is measured of a model's speed, and what its answers say of it."""

from collections.abc import Sequence

import pytest

from mlx_gui.core.benchmark import Figures, Timed, Trial, checked_trials, figures_of
from mlx_gui.core.errors import InvalidRequest


def test_each_prompt_is_tried_with_each_crowd_once() -> None:
    trials = checked_trials(prompts_tokens=[4096, 512, 512], answer_tokens=128, crowds=[4, 1])
    assert trials == (
        Trial(512, 128, 1),
        Trial(512, 128, 4),
        Trial(4096, 128, 1),
        Trial(4096, 128, 4),
    )


@pytest.mark.parametrize(
    ("prompts_tokens", "answer_tokens", "crowds", "param"),
    [
        ([], 128, [1], "prompt_tokens"),
        ([0], 128, [1], "prompt_tokens"),
        ([-5], 128, [1], "prompt_tokens"),
        ([10**9], 128, [1], "prompt_tokens"),
        ([512], 1, [1], "answer_tokens"),
        ([512], 10**9, [1], "answer_tokens"),
        ([512], 128, [], "at_once"),
        ([512], 128, [65], "at_once"),
        (list(range(1, 18)), 128, [1], "prompt_tokens"),
        ([131_072], 128, [64], "prompt_tokens"),
    ],
)
def test_what_is_no_measure_is_refused_by_name(
    prompts_tokens: Sequence[int], answer_tokens: int, crowds: Sequence[int], param: str
) -> None:
    with pytest.raises(InvalidRequest) as refused:
        checked_trials(prompts_tokens=prompts_tokens, answer_tokens=answer_tokens, crowds=crowds)
    assert refused.value.details["param"] == param
    assert refused.value.hint


def test_one_answer_is_its_own_prompt_and_its_later_tokens_by_their_times() -> None:
    trial = Trial(512, 11, 1)
    answer = Timed(asked_s=10.0, first_s=10.5, ended_s=11.5, prompt_tokens=512, tokens=11)
    assert figures_of(trial, [answer]) == Figures(trial, 500.0, 1024.0, 10.0)


def test_several_answers_count_from_the_first_request_and_to_the_last_end() -> None:
    trial = Trial(100, 11, 2)
    early = Timed(asked_s=0.0, first_s=1.0, ended_s=2.0, prompt_tokens=100, tokens=11)
    late = Timed(asked_s=0.0, first_s=2.0, ended_s=5.0, prompt_tokens=100, tokens=11)
    assert figures_of(trial, [early, late]) == Figures(trial, 1500.0, 100.0, 5.0)


def test_an_answer_without_a_second_token_has_no_speed() -> None:
    trial = Trial(100, 2, 1)
    answer = Timed(asked_s=0.0, first_s=1.0, ended_s=1.0, prompt_tokens=100, tokens=1)
    assert figures_of(trial, [answer]).answer_tokens_per_s is None
