"""How fast a model reads and writes on this machine: what is measured, and what came of it."""

import statistics
from collections.abc import Sequence
from dataclasses import dataclass

import msgspec

from mlx_gui.core.errors import InvalidRequest

PROMPTS_TOKENS = (512, 4096)
ANSWER_TOKENS = 128
CROWDS = (1, 4)

_LONGEST_TOKENS = 131_072
_LARGEST_CROWD = 64
_MOST_TRIALS = 16
_MOST_TOKENS = 4_000_000


class Trial(msgspec.Struct, frozen=True):
    """So many requests at once, each with a prompt and an answer of so many tokens."""

    prompt_tokens: int
    answer_tokens: int
    at_once: int

    @property
    def tokens(self) -> int:
        """All that are read and written."""
        return self.at_once * (self.prompt_tokens + self.answer_tokens)


class Figures(msgspec.Struct, frozen=True):
    """What came of a trial.

    `first_token_ms` is the median of the times from a request to its first token, waiting included.
    The prompts' tokens by the time until all had their first token are `prompt_tokens_per_s`; the
    later tokens of all answers by the time since the first of them, `answer_tokens_per_s`.
    `problem` says why there is none of it.
    """

    trial: Trial
    first_token_ms: float | None = None
    prompt_tokens_per_s: float | None = None
    answer_tokens_per_s: float | None = None
    problem: str = ""


class Benchmark(msgspec.Struct, frozen=True):
    """The figures of a model, measured at `measured_at` [Unix seconds] by a `version` of mlx-gui.

    `context` is for how many tokens the model was loaded.
    """

    id: str
    model: str
    version: str
    measured_at: float
    context: int | None
    figures: tuple[Figures, ...]


@dataclass(frozen=True, slots=True)
class Timed:
    """One answer. Times are seconds of one clock; `tokens` of the answer is what was written."""

    asked_s: float
    first_s: float
    ended_s: float
    prompt_tokens: int
    tokens: int


def checked_trials(
    *, prompts_tokens: Sequence[int], answer_tokens: int, crowds: Sequence[int]
) -> tuple[Trial, ...]:
    """Each prompt with each crowd, short ones first. Raises InvalidRequest where a value is out of
    bounds, or all of it is too much."""
    for name, values, most in (
        ("prompt_tokens", prompts_tokens, _LONGEST_TOKENS),
        ("answer_tokens", [answer_tokens], _LONGEST_TOKENS),
        ("at_once", crowds, _LARGEST_CROWD),
    ):
        least = 2 if name == "answer_tokens" else 1
        if not values or not all(least <= value <= most for value in values):
            raise InvalidRequest(
                f"'{name}' must be from {least} to {most:,}.", param=name, hint=_HINT
            )
    pairs = {(prompt, crowd) for prompt in prompts_tokens for crowd in crowds}
    trials = tuple(Trial(prompt, answer_tokens, crowd) for prompt, crowd in sorted(pairs))
    tokens = sum(trial.tokens for trial in trials)
    if len(trials) > _MOST_TRIALS or tokens > _MOST_TOKENS:
        raise InvalidRequest(
            f"These are {len(trials)} trials with {tokens:,} tokens; {_MOST_TRIALS} with "
            f"{_MOST_TOKENS:,} are the most.",
            param="prompt_tokens",
            hint=_HINT,
        )
    return trials


def figures_of(trial: Trial, answers: Sequence[Timed]) -> Figures:
    """What the `answers` of a trial say of its speed."""
    firsts_s = [each.first_s for each in answers]
    reading_s = max(firsts_s) - min(each.asked_s for each in answers)
    writing_s = max(each.ended_s for each in answers) - min(firsts_s)
    later_tokens = sum(each.tokens for each in answers) - len(answers)
    return Figures(
        trial,
        1000 * statistics.median(each.first_s - each.asked_s for each in answers),
        _rate(sum(each.prompt_tokens for each in answers), reading_s),
        _rate(later_tokens, writing_s),
    )


_HINT = (
    f"Leave all three out for prompts of {' and '.join(map(str, PROMPTS_TOKENS))} tokens, answers "
    f"of {ANSWER_TOKENS}, and {' and '.join(map(str, CROWDS))} at once."
)


def _rate(tokens: int, took_s: float) -> float | None:
    return tokens / took_s if tokens > 0 and took_s > 0 else None
