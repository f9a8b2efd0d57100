"""Rows that write: one token each in a step, and always one step ahead of what is told.

While the device computes a step, the tokens of the one before are told and become text.
"""

from collections.abc import Sequence, Set
from typing import Literal, cast

import mlx.core as mx

from mlx_gui.engines.text.decoding import Sampled, State
from mlx_gui.engines.text.mlx_lm import TokenBuffer
from mlx_gui.engines.text.rows import Row, Rows


class Writing:
    """See the module. Each row's next token has been computed, or is being, and is not fed yet."""

    def __init__(self, rows: Rows) -> None:
        self._rows = rows
        self._next = mx.array([], mx.int32)
        self._logprobs: list[mx.array] = []
        self._told: set[int] = set()
        """Keys of rows whose next token has been told already."""

    @property
    def keys(self) -> list[int]:
        return [row.key for row in self._rows.rows]

    def __len__(self) -> int:
        return len(self._rows)

    @property
    def told(self) -> Set[int]:
        return frozenset(self._told)

    @property
    def bytes(self) -> int:
        return self._rows.bytes

    def begin(self, rows: Rows, logits: mx.array | None = None) -> None:
        """Let `rows` write from now on.

        `logits` [rows, vocabulary] are those after their prompts, if these have been fed wholly.
        """
        last = mx.array([(row.rest or row.tokens)[-1] for row in rows.rows])
        for row in rows.rows:
            if row.feed.processors:
                row.seen = TokenBuffer(row.tokens if row.rest else row.tokens[:-1])
        if logits is None:
            logits = rows.feed_last()[:, -1]
        tokens, logprobs = _choose(rows.rows, last, logits)
        self._rows.join(rows)
        self._next = mx.concatenate([self._next, tokens]) if self._logprobs else tokens
        self._logprobs += logprobs

    def step(self) -> list[Sampled]:
        """Feed each row's next token; returns those that have not been told before."""
        if not self._rows.rows:
            return []
        rows, fed, logprobs, told = self._rows.rows, self._next, self._logprobs, self._told
        logits = self._rows.feed(fed[:, None])[:, -1]
        self._next, self._logprobs = _choose(rows, fed, logits)
        self._told = set()
        tokens = cast(list[int], fed.tolist())
        for row, token in zip(rows, tokens, strict=True):
            row.tokens.append(token)
        return self._tell(
            {
                place: (tokens[place], logprobs[place])
                for place, row in enumerate(rows)
                if row.key not in told
            }
        )

    def ahead(self, keys: Set[int]) -> list[Sampled]:
        """The next tokens of some rows, before the step that feeds them: it does not tell them."""
        sampled = self._tell(
            {
                place: (cast(int, self._next[place].item()), self._logprobs[place])
                for place, row in enumerate(self._rows.rows)
                if row.key in keys
            }
        )
        self._told |= {each.key for each in sampled if each.finish is None}
        return sampled

    def last(self) -> set[int]:
        """Keys of rows whose next token is their last one by its number, and is not told."""
        return {
            row.key
            for row in self._rows.rows
            if row.written_tokens + 1 >= row.feed.max_tokens and row.key not in self._told
        }

    def remove(self, keys: Set[int]) -> dict[int, State]:
        """Let rows go; returns what the cache holds of them."""
        staying = [place for place, row in enumerate(self._rows.rows) if row.key not in keys]
        states = self._rows.remove(keys)
        self._keep_next(staying)
        return states

    def pause(self, key: int) -> tuple[list[int], list[Sampled]]:
        """Let a row go; returns all its tokens, and the last of them if it had not been told."""
        (place,) = (n for n, row in enumerate(self._rows.rows) if row.key == key)
        tokens = [*self._rows.rows[place].tokens, cast(int, self._next[place].item())]
        sampled = [] if key in self._told else self.ahead({key})
        self.remove({key})
        return tokens, sampled

    def _tell(self, found: dict[int, tuple[int, mx.array]]) -> list[Sampled]:
        """What is told of tokens, by the places of their rows. Rows that end so are let go."""
        sampled: list[Sampled] = []
        for place, (token, logprobs) in found.items():
            row = self._rows.rows[place]
            row.written_tokens += 1
            finish: Literal["stop", "length"] | None = None
            if row.ends.advance(token):
                finish = "stop"
            elif row.written_tokens >= row.feed.max_tokens:
                finish = "length"
            state = self._rows.state(place) if finish is not None else None
            sampled.append(Sampled(row.key, token, logprobs, finish, state))
        ended = {each.key for each in sampled if each.finish is not None}
        if ended:
            staying = [place for place, row in enumerate(self._rows.rows) if row.key not in ended]
            self._rows.keep(staying)
            self._keep_next(staying)
        return sampled

    def _keep_next(self, places: list[int]) -> None:
        """Follow the rows, of which only those that were at `places` are left."""
        if len(places) == len(self._logprobs):
            return
        self._next = self._next[mx.array(places, mx.int32)]
        self._logprobs = [self._logprobs[place] for place in places]
        self._told &= set(self.keys)


def _choose(
    rows: Sequence[Row], fed: mx.array, logits: mx.array
) -> tuple[mx.array, list[mx.array]]:
    """Each row's next token, and the log-probabilities [vocabulary] that it is drawn from.

    `fed` are the tokens [rows] that `logits` [rows, vocabulary] follow. The device begins with it
    before this returns.
    """
    seen: list[mx.array] = []
    if any(row.feed.processors for row in rows):
        changed: list[mx.array] = []
        for place, row in enumerate(rows):
            own = logits[place : place + 1]
            if row.seen is not None:
                seen.append(row.seen.update_and_fetch(fed[place : place + 1]))
                for process in row.feed.processors:
                    own = process(seen[-1], own)
            changed.append(own)
        logits = mx.concatenate(changed)
    logprobs = logits - mx.logsumexp(logits, axis=-1, keepdims=True)
    samplers = [row.feed.sampler for row in rows]
    if all(each is samplers[0] for each in samplers):
        tokens = samplers[0](logprobs)
    else:
        drawn = [each(logprobs[n : n + 1]) for n, each in enumerate(samplers)]
        tokens = mx.concatenate(drawn)
    # One array for each row: read later, on another stream, they wait for nothing.
    each_row = list(logprobs)
    mx.async_eval(tokens, each_row, seen)
    return tokens, each_row
