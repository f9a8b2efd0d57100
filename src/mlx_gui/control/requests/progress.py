"""How far requests under way are, by the tokens that their events tell of."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

from mlx_gui.core.generation import Delta, Event, Prefill, Prepared, Usage


@dataclass(frozen=True, slots=True)
class TokensMade:
    """Tokens of prompts that were read, and of answers that were written; reused ones are none."""

    prompt: int = 0
    output: int = 0


@dataclass(slots=True)
class Progress:
    """The tokens of one request. `prompt` is None until its length is known.

    `read` of them are in the KV cache, of which `cached` did not have to be computed.
    """

    prompt: int | None = None
    read: int = 0
    cached: int = 0
    written: int = 0

    def advance(self, events: Sequence[Event]) -> TokensMade:
        """What is new by `events`. A request that begins anew has its prompt read again."""
        prompt = output = 0
        for event in events:
            match event:
                case Delta(token_count=count):
                    output += count
                case Prefill(done, total, cached):
                    known = self.read if done >= self.read else 0
                    prompt += max(done - max(known, cached), 0)
                    self.prompt, self.read, self.cached = total, done, cached
                case Prepared(prompt_tokens=count):
                    self.prompt = count
                case _:
                    pass
        self.written += output
        return TokensMade(prompt, output)

    def rest(self, usage: Usage) -> TokensMade:
        """What `usage` has that no event told of, as of a kind whose requests are one step."""
        told = max(self.read - self.cached, 0)
        return TokensMade(
            max(usage.prompt_tokens - usage.cached_tokens - told, 0),
            max(usage.completion_tokens - self.written, 0),
        )


@dataclass(slots=True)
class TokenMeter:
    """Counts the tokens of each model, until somebody takes them."""

    _prompt: Counter[str] = field(default_factory=Counter[str])
    _output: Counter[str] = field(default_factory=Counter[str])

    def count(self, model_id: str, made: TokensMade) -> None:
        """Take `made` into account."""
        if made.prompt:
            self._prompt[model_id] += made.prompt
        if made.output:
            self._output[model_id] += made.output

    def take(self) -> dict[str, TokensMade]:
        """What each model has made since the last call; without those that made nothing."""
        taken = {
            model_id: TokensMade(self._prompt[model_id], self._output[model_id])
            for model_id in self._prompt | self._output
        }
        self._prompt.clear()
        self._output.clear()
        return taken
