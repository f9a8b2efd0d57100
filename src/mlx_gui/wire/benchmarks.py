"""The JSON of what was measured of a model's speed."""

from pydantic import BaseModel, ConfigDict

from mlx_gui.core.benchmark import ANSWER_TOKENS, CROWDS, PROMPTS_TOKENS


class BenchmarkRequest(BaseModel):
    """What is measured: each length of `prompt_tokens` with each number of requests `at_once`.

    Each answer has `answer_tokens`.
    """

    model_config = ConfigDict(strict=True)

    prompt_tokens: list[int] = list(PROMPTS_TOKENS)
    answer_tokens: int = ANSWER_TOKENS
    at_once: list[int] = list(CROWDS)


class BenchmarkFigures(BaseModel):
    """What came of so many requests at once.

    `first_token_ms` is the median of the times from a request to its first token.
    `prompt_tokens_per_s` are those of all prompts by the time until each had its first token,
    `answer_tokens_per_s` the later tokens of all answers by the time since the first of them. They
    are null where nothing could be measured, for which `problem` says why.
    """

    prompt_tokens: int
    answer_tokens: int
    at_once: int
    first_token_ms: float | None
    prompt_tokens_per_s: float | None
    answer_tokens_per_s: float | None
    problem: str | None


class BenchmarkBody(BaseModel):
    """One measurement of a model, by a `version` of mlx-gui.

    `context` is for how many tokens the model was loaded.
    """

    id: str
    model: str
    version: str
    measured_at: str
    context: int | None
    figures: list[BenchmarkFigures]


class BenchmarkList(BaseModel):
    """The newest first."""

    benchmarks: list[BenchmarkBody]
