"""Where a sequence is with its thought, and how long that may become.

A thought is found in the text and not by token ids: how a marker is cut into tokens depends on
what stands beside it.
"""

from dataclasses import dataclass
from typing import Literal, cast

import mlx.core as mx

from mlx_gui.engines.text.token_bytes import TokenBytes

Stage = Literal["before", "thinking", "answering"]
"""Nothing but space came and a thought may begin; in the thought; it is over or never began."""


@dataclass(frozen=True, slots=True)
class ThoughtMarkers:
    """The texts around a thought, and the tokens that a tokenizer makes of them.

    `end` goes up to where the answer begins, so it may hold the head of the answer as well.
    `break_ids` are tokens of line breaks, which models write between a thought and the answer.
    """

    start: str
    end: str
    start_ids: tuple[int, ...]
    end_ids: tuple[int, ...]
    break_ids: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class Thinking:
    """How the sequences of one request think: from which stage on, and for how many tokens.

    A budget of 0 ends a thought at once; None lets it be.
    """

    markers: ThoughtMarkers
    stage: Stage
    budget_tokens: int | None


class Thought:
    """Follows one sequence, for all of its processors: each may call `follow`. See `stage`."""

    def __init__(self, markers: ThoughtMarkers, stage: Stage, token_bytes: TokenBytes) -> None:
        self.markers = markers
        self.stage: Stage = stage
        self.tokens = 0
        """Tokens of the thought so far, without the start marker."""
        self._token_bytes = token_bytes
        self._start = markers.start.encode()
        self._end = markers.end.encode()
        self._text = b""
        self._followed: int | None = None

    def follow(self, context: mx.array) -> None:
        """Take note of the last token of `context`, which is one longer with every step.

        Reading it waits for the step that chose it; once the thought is over, nothing is read.
        """
        if self.stage == "answering" or context.size == self._followed:
            return
        is_prompt = self._followed is None
        self._followed = context.size
        if not is_prompt:
            self._add(last_token(context))

    def _add(self, token: int) -> None:
        self._text += self._token_bytes(token)
        if self.stage == "before":
            text = self._text.lstrip()
            if text.startswith(self._start):
                self.stage, self._text = "thinking", text[len(self._start) :]
            elif not self._start.startswith(text):
                self.stage = "answering"
            return
        self.tokens += 1
        if self._end in self._text:
            self.stage = "answering"
        # Only the beginning of a marker can still matter.
        self._text = self._text[-len(self._end) :]


class ThoughtBudget:
    """Ends a thought after `budget_tokens`, by forcing the end marker token by token."""

    def __init__(self, thought: Thought, budget_tokens: int) -> None:
        self._thought = thought
        self._budget_tokens = budget_tokens
        self._forced = 0

    def __call__(self, context: mx.array, logits: mx.array) -> mx.array:
        thought = self._thought
        thought.follow(context)
        end = thought.markers.end_ids
        if thought.stage != "thinking" or thought.tokens < self._budget_tokens:
            return logits
        if self._forced == len(end):
            return logits
        self._forced += 1
        return only(logits, end[self._forced - 1])


def only(logits: mx.array, token: int) -> mx.array:
    """Logits that leave nothing but `token`."""
    return mx.where(mx.arange(logits.shape[-1]) == token, logits, -mx.inf)


def last_token(context: mx.array) -> int:
    """Waits for the step that chose it."""
    return cast(int, context[-1].item())
