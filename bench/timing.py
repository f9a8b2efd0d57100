"""One question to a model, and when its answer came."""

from dataclasses import asdict, dataclass, field
from typing import Any

Turn = dict[str, str]


@dataclass(frozen=True, slots=True)
class Ask:
    """A user's message, behind the turns `before` it. The answer is greedy."""

    text: str
    max_tokens: int
    before: list[Turn] = field(default_factory=list[Turn])

    @property
    def messages(self) -> list[Turn]:
        return [*self.before, {"role": "user", "content": self.text}]

    def fields(self) -> dict[str, Any]:
        return asdict(self)


@dataclass(frozen=True, slots=True)
class Timing:
    """An answer. `first_s` and `last_s` are when the first and last token came, after the ask.

    Whoever streams also knows when each piece of the text came.
    """

    prompt_tokens: int
    tokens: int
    first_s: float
    last_s: float
    cached_tokens: int = 0
    text: str = ""
    times_s: list[float] = field(default_factory=list[float])

    def fields(self) -> dict[str, Any]:
        return asdict(self)

    def rates(self) -> dict[str, float]:
        """Tokens a second: prompt ones until the first token, later ones, and those in all."""
        return {
            "prefill": self.prompt_tokens / self.first_s,
            "decode": (self.tokens - 1) / (self.last_s - self.first_s),
            "whole": self.tokens / self.last_s,
        }


def require_same_work(ask: Ask, *timings: Timing) -> None:
    """Raises ValueError unless all sides read the same prompt and wrote as much as was asked."""
    read = {timing.prompt_tokens for timing in timings}
    written = {timing.tokens for timing in timings}
    if len(read) != 1 or written != {ask.max_tokens}:
        raise ValueError(f"Not the same work: prompts of {read} tokens, answers of {written}.")
