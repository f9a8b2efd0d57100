"""What the engine asks of whatever decodes: take sequences in, step, let them go.

Two things decode: `batch` many sequences together, `serial` one after the other where a model or
a setting allows no more. Everything here belongs to the main thread.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, Protocol

import mlx.core as mx

from mlx_gui.engines.text.inputs import NOTHING, Imprint, Inputs
from mlx_gui.engines.text.mlx_lm import StopSequences
from mlx_gui.engines.text.sampling import Sampler

Processor = Callable[[mx.array, mx.array], mx.array]
"""Takes a sequence's tokens [int32] and its logits [1, vocabulary], returns other logits.

Called once a step; the first time with the prompt, then with one token more each time.
"""


@dataclass(frozen=True, slots=True)
class State:
    """What a cache holds: the tokens, and one member a layer; `imprints` say what ids do not."""

    tokens: Sequence[int]
    cache: list[Any]
    imprints: tuple[Imprint, ...] = ()

    @property
    def bytes(self) -> int:
        return sum(layer.nbytes for layer in self.cache)


class Scorer(Protocol):
    """Wants to see what a model makes of each token of a prompt."""

    chunk_tokens: int
    """The most tokens whose logits it may be shown at once."""

    def take(self, logits: mx.array) -> None:
        """Evaluates `logits` [tokens, vocabulary] of the prompt's next tokens."""
        ...


@dataclass(frozen=True, slots=True)
class Feed:
    """A sequence to decode: `rest`, at least one token, is fed after what `state` holds.

    The state after each of `boundaries`, which count tokens of the whole prompt, is handed out. A
    `scorer` is shown the logits of all that is fed but the last token; then there is no `state`.
    With `max_tokens` 0 the last token is not fed. `inputs` are of the whole prompt, whatever
    `state` holds: what is given there the model takes in place of its own for these tokens, whose
    ids then only tell what has been said.
    """

    rest: list[int]
    state: State | None
    max_tokens: int
    sampler: Sampler
    processors: tuple[Processor, ...]
    end_tokens: StopSequences
    boundaries: tuple[int, ...] = ()
    scorer: Scorer | None = None
    inputs: Inputs = NOTHING

    @property
    def apart(self) -> bool:
        """Whether the prompt is read by itself: it is scored, or nothing is written after it."""
        return self.scorer is not None or not self.max_tokens

    @property
    def cached_tokens(self) -> int:
        return len(self.state.tokens) if self.state is not None else 0

    @property
    def prompt_tokens(self) -> int:
        return self.cached_tokens + len(self.rest)


@dataclass(frozen=True, slots=True)
class Fed:
    """`done_tokens` of a sequence's prompt are read; `state` is what was there at a boundary.

    One that has `ended` had nothing to write.
    """

    key: int
    done_tokens: int
    state: State | None
    ended: bool = False


@dataclass(frozen=True, slots=True)
class Sampled:
    """A sequence's next token, and the log-probabilities [vocabulary] that it was drawn from.

    `finish` is set on the last one, with the state that is left: "stop" for an end token.
    """

    key: int
    token: int
    logprobs: mx.array
    finish: Literal["stop", "length"] | None
    state: State | None


class Decoder(Protocol):
    """See the module. A sequence is known by the key that `add` gave it until it finishes."""

    def add(self, feeds: Iterable[Feed]) -> list[int]:
        """Take sequences in; they advance with the next `step`."""
        ...

    def step(self) -> tuple[list[Fed], list[Sampled]]:
        """One token for each sequence that decodes, then a bounded part of the prompts.

        A sequence whose prompt is complete begins in the same step. It may have several tokens in
        one, which come in their order; what follows after a finish is nobody's.
        """
        ...

    def remove(self, keys: Iterable[int]) -> Mapping[int, State]:
        """Let sequences go; returns the states of those that have one. Unknown keys are ignored."""
        ...

    def bytes(self) -> int:
        """What the caches of all sequences hold."""
        ...

    def close(self) -> None: ...
