"""Decodes many sequences together, on the two batches that mlx-lm has: one reads, one writes.

All rows of a batch are as long as the longest, so the cache takes rows times that length, and what
it has to spare before it grows again. It stays within a pool of tokens: a sequence waits until
there is room for its prompt and the beginning of its answer, and where the answers outgrow the pool
the youngest one waits again. What it had is read anew later; its answer goes on as if nothing had
been.
"""

from collections import deque
from collections.abc import Iterable, Mapping, Sequence, Set
from dataclasses import dataclass, replace
from itertools import islice
from types import MappingProxyType
from typing import Any, Literal, cast

import mlx.core as mx
import mlx.nn as nn

from mlx_gui.engines.text.caches import adopt, new_cache
from mlx_gui.engines.text.decoding import Fed, Feed, Sampled, State
from mlx_gui.engines.text.head import Head
from mlx_gui.engines.text.library import GenerationBatch, PromptProcessingBatch
from mlx_gui.engines.text.sampling import greedy

_EXPECTED_TOKENS = 256
"""Of an answer that may be longer, so many are made room for in advance."""

SMALLEST_ROW = 256
"""KV caches grow by so many tokens, and have up to one less to spare."""

_STEPS_UNTIL_CLEARED = 512


@dataclass(slots=True)
class _Row:
    """A sequence in one of the batches: `tokens` of it are in the cache, `rest` is still to be fed.

    The last token of a prompt is always left: with it the answer begins.
    """

    key: int
    feed: Feed
    tokens: int
    rest: list[int]

    @property
    def unread(self) -> int:
        return len(self.rest) - 1

    @property
    def expected_tokens(self) -> int:
        return max(self.tokens + 1, _expected_tokens(self.feed))

    def next_chunk(self, longest: int) -> int:
        """Tokens to read next, which never go beyond a boundary."""
        ahead = [cut - self.tokens for cut in self.feed.boundaries if cut > self.tokens]
        return min(longest, self.unread, *ahead)


class BatchDecoder:
    """See `decoding.Decoder`. Sequences join and leave the batches between steps.

    A step reads at most `prefill_tokens`, padding included, of one or several prompts. While more
    of them wait than sequences write, it reads so many of each of `crowd`: the few streams are held
    up for the many, and prompts that are complete together write together. A prompt that is longer
    than all that is read by the single chunk, whoever waits.

    Prompts that are read apart take turns with all others: logits of every token are not made for
    whoever is read beside them.
    """

    def __init__(
        self,
        model: nn.Module,
        head: Head,
        *,
        slots: int,
        prefill_tokens: int,
        crowd: int,
        pool_tokens: int,
    ) -> None:
        self._model = model
        self._head = head
        self._slots = slots
        self._prefill_tokens = prefill_tokens
        self._crowd = crowd
        self._pool_tokens = pool_tokens
        self._waiting: deque[tuple[int, Feed]] = deque()
        self._rows: dict[int, _Row] = {}
        # With the last token of a prompt a chunk is one longer, and is still fed at once.
        self._reading = PromptProcessingBatch.empty(model, greedy, prefill_tokens + 1)
        self._apart: deque[PromptProcessingBatch] = deque()
        self._writing = GenerationBatch.empty(model, greedy)
        # Rows whose next token has been returned already.
        self._told: set[int] = set()
        self._next_key = 0
        self._steps = 0

    def add(self, feeds: Iterable[Feed]) -> list[int]:
        keys: list[int] = []
        for feed in feeds:
            self._next_key += 1
            self._waiting.append((self._next_key, feed))
            keys.append(self._next_key)
        return keys

    def step(self) -> tuple[list[Fed], list[Sampled]]:
        sampled = [*self._finish(), *self._make_room()]
        later = [self._sampled(response) for response in self._writing.next()]
        sampled += [each for each in later if each.key not in self._told]
        self._steps += 1
        if self._steps % _STEPS_UNTIL_CLEARED == 0:
            mx.clear_cache()
        fed = self._take_turns()
        return fed, [*sampled, *self._early(fed)]

    def remove(self, keys: Iterable[int]) -> Mapping[int, State]:
        wanted = set(keys)
        self._waiting = deque(each for each in self._waiting if each[0] not in wanted)
        states: dict[int, State] = {}
        for batch in (self._reading, *self._apart, self._writing):
            keep = [place for place, key in enumerate(batch.uids) if key not in wanted]
            if len(keep) == len(batch.uids):
                continue
            for place, key in enumerate(batch.uids):
                if key in wanted:
                    # One that is read apart may have to wait for its first chunk.
                    if batch.tokens[place]:
                        states[key] = State(batch.tokens[place], batch.extract_cache(place))
                    del self._rows[key]
            batch.filter(keep)
        self._apart = deque(batch for batch in self._apart if batch.uids)
        return states

    def bytes(self) -> int:
        batches = (self._reading, *self._apart, self._writing)
        return sum(layer.nbytes for batch in batches for layer in batch.prompt_cache)

    def close(self) -> None:
        self._waiting.clear()
        self._rows.clear()
        self._told.clear()
        self._apart.clear()
        self._reading.filter([])
        self._writing.filter([])

    # --- reading --------------------------------------------------------------------------------

    def _take_turns(self) -> list[Fed]:
        """Feed the next chunk: of prompts that are read apart in every other step, if there are."""
        if self._apart and self._steps % 2:
            return self._read_apart()
        return self._read() or self._read_apart()

    def _read_apart(self) -> list[Fed]:
        """Feed a chunk of each prompt that is read apart, as many as make one chunk together."""
        fed: list[Fed] = []
        left_tokens = self._prefill_tokens
        for batch in list(self._apart):
            row = self._rows[batch.uids[0]]
            scorer = row.feed.scorer
            count = row.next_chunk(scorer.chunk_tokens if scorer else self._prefill_tokens)
            if fed and count > left_tokens:
                break
            left_tokens -= count
            self._apart.popleft()
            if count:
                self._feed_apart(row, batch, count)
            fed.append(self._fed(row, batch))
            if row.unread:
                self._apart.append(batch)
            elif row.feed.max_tokens:
                self._begin(batch)
            else:
                del self._rows[row.key]
                state = State(batch.tokens[0], batch.extract_cache(0)) if row.tokens else None
                fed[-1] = replace(fed[-1], state=state, ended=True)
        return fed

    def _feed_apart(self, row: _Row, batch: PromptProcessingBatch, count: int) -> None:
        logits: list[mx.array] = []

        def keep_logits(tokens: mx.array, cache: list[Any]) -> None:
            logits.append(self._model(tokens, cache=cache))

        cast(Any, batch).model = keep_logits
        batch.prompt([row.rest[:count]])
        batch.model = self._model
        del row.rest[:count]
        row.tokens += count
        if row.feed.scorer is not None:
            row.feed.scorer.take(logits[0][0])

    def _read(self) -> list[Fed]:
        """Feed the next chunk of the prompts whose turn it is, and let complete ones write."""
        rows = [self._rows[key] for key in self._reading.uids]
        bound, longest, crowded = self._bounds(rows)
        read: list[_Row] = []
        while self._waiting and self._has_room_for(self._waiting[0][1]):
            key, feed = self._waiting[0]
            row = _Row(key, feed, feed.cached_tokens, list(feed.rest))
            if feed.apart:
                self._waiting.popleft()
                self._rows[key] = row
                self._apart.append(self._alone(row))
                continue
            chunks = [each.next_chunk(longest) for each in (*rows, row)]
            if len(chunks) * max(chunks) > bound or (crowded and len(feed.rest) > bound):
                break
            self._waiting.popleft()
            self._rows[key] = row
            if row.unread:
                self._reading.extend(self._alone(row))
                rows.append(row)
            else:
                self._begin(self._alone(row))
                read.append(row)
        answered = self._feed(rows, longest) if rows else {}
        fed = [self._fed(row, self._reading) for row in (*read, *rows)]
        complete = {row.key for row in rows if not row.unread}
        for keys in (complete & answered.keys(), complete - answered.keys()):
            places = [place for place, key in enumerate(self._reading.uids) if key in keys]
            if places:
                self._begin(self._reading.split(places), answered)
        return fed

    def _bounds(self, rows: Sequence[_Row]) -> tuple[int, int, bool]:
        """Tokens to read in this step, of all and of each prompt, and whether for a crowd."""
        waiting = len(rows) + len(self._waiting)
        crowd_tokens = self._prefill_tokens * self._crowd
        feeds = [row.feed for row in rows] or [feed for _, feed in islice(self._waiting, 1)]
        short = all(len(feed.rest) <= crowd_tokens for feed in feeds)
        if short and waiting > len(self._writing.uids):
            return crowd_tokens, self._prefill_tokens, True
        share = self._prefill_tokens // max(len(rows), min(waiting, 2), 1)
        return self._prefill_tokens, share, False

    def _feed(self, rows: Sequence[_Row], longest: int) -> dict[int, mx.array]:
        """Feed a chunk of each; returns the logits [1, 1, vocabulary] of those fed to their end.

        Fed without its last token is a prompt of which the state before that is wanted.
        """
        chunks: list[list[int]] = []
        whole: set[int] = set()
        for row in rows:
            count = row.next_chunk(longest)
            chunks.append(row.rest[:count])
            del row.rest[:count]
            row.tokens += count
            if self._head.selective and not row.unread and row.tokens not in row.feed.boundaries:
                chunks[-1] += row.rest
                whole.add(row.key)
        if not whole:
            self._reading.prompt(chunks)
            return {}
        logits: list[mx.array] = []

        def keep_logits(tokens: mx.array, cache: list[Any]) -> None:
            logits.append(self._model(tokens, cache=cache))

        cast(Any, self._reading).model = keep_logits
        with self._head.only([len(chunk) - 1 for chunk in chunks]):
            self._reading.prompt(chunks)
        self._reading.model = self._model
        return {
            row.key: logits[0][place : place + 1]
            for place, row in enumerate(rows)
            if row.key in whole
        }

    def _begin(
        self, batch: PromptProcessingBatch, answered: Mapping[int, mx.array] = MappingProxyType({})
    ) -> None:
        """Let the rows of `batch`, which have read all but their last token, write from now on.

        Those that are `answered` have read that as well: their first step has been taken.
        """
        last = [self._rows[key].rest for key in batch.uids]
        if all(key in answered for key in batch.uids):
            logits = mx.concatenate([answered[key] for key in batch.uids])
            cast(Any, batch).model = lambda *_, **__: logits
            for tokens in batch.tokens:
                # The step counts it again.
                tokens.pop()
        self._writing.extend(batch.generate(last))

    def _alone(self, row: _Row) -> PromptProcessingBatch:
        """A batch of nothing but `row`."""
        feed, state = row.feed, row.feed.state
        cache = new_cache(self._model) if state is None else [adopt(each) for each in state.cache]
        return PromptProcessingBatch(
            self._model,
            [row.key],
            [cache],
            tokens=[list(state.tokens) if state is not None else []],
            prefill_step_size=self._prefill_tokens,
            samplers=[feed.sampler],
            fallback_sampler=greedy,
            logits_processors=[list(feed.processors)],
            stop_sequences=[feed.end_tokens],
            max_tokens=[feed.max_tokens],
        )

    def _fed(self, row: _Row, batch: PromptProcessingBatch) -> Fed:
        """How far a row is; the last token of a complete prompt is fed in the same step.

        With what it has left in the cache of `batch`, where that is a boundary.
        """
        done_tokens = row.tokens + (not row.unread)
        if row.tokens not in row.feed.boundaries or row.tokens == row.feed.cached_tokens:
            return Fed(row.key, done_tokens, None)
        place = batch.uids.index(row.key)
        state = State(list(batch.tokens[place]), batch.extract_cache(place))
        return Fed(row.key, done_tokens, state)

    # --- writing --------------------------------------------------------------------------------

    def _sampled(self, response: Any) -> Sampled:
        row, state = self._rows[response.uid], None
        row.tokens += 1
        finish = cast(Literal["stop", "length"] | None, response.finish_reason)
        if finish is not None:
            state = State(response.all_tokens, response.prompt_cache)
            del self._rows[row.key]
        return Sampled(row.key, response.token, response.logprobs, finish, state)

    def _early(self, fed: Sequence[Fed]) -> list[Sampled]:
        """The next tokens of those that have none of this step yet, if it has read prompts.

        So an answer begins in the step that completes its prompt, and goes on while others are
        read. The next step would return these tokens too, but it hands over its own work first, and
        on a processor MLX takes that only when nearly all before it is done: a step too late.
        """
        sampled = self._ahead(self._told | {each.key for each in fed}) if fed else []
        self._told = {each.key for each in sampled if each.finish is None}
        return sampled

    def _finish(self) -> list[Sampled]:
        """End the rows that are one token short of their most: it has been computed already.

        A step would compute one more, which nobody asked for and the next prompt would wait for.
        """
        batch = self._writing
        return self._ahead(
            {
                key
                for key, count, most in zip(
                    batch.uids, batch._num_tokens, batch.max_tokens, strict=True
                )
                if count + 1 >= most
            }
        )

    def _ahead(self, keys: Set[int]) -> list[Sampled]:
        """The next tokens of rows, before the step that returns them; some end with theirs."""
        batch = self._writing
        sampled = [self._next(place) for place, key in enumerate(batch.uids) if key in keys]
        if any(each.finish is not None for each in sampled):
            batch.filter([place for place, key in enumerate(batch.uids) if key in self._rows])
        return sampled

    def _next(self, place: int) -> Sampled:
        """The next token of a row, which has been computed; the row is forgotten if it ends."""
        batch = self._writing
        row = self._rows[batch.uids[place]]
        token = cast(int, cast(mx.array, batch._next_tokens)[place].item())
        logprobs = cast(mx.array, batch._next_logprobs[place])
        finish: Literal["stop", "length"]
        if row.feed.end_tokens.matcher().advance(token):
            finish = "stop"
        elif batch._num_tokens[place] + 1 >= batch.max_tokens[place]:
            finish = "length"
        else:
            return Sampled(row.key, token, logprobs, None, None)
        del self._rows[row.key]
        state = State(batch.tokens[place], batch.extract_cache(place))
        return Sampled(row.key, token, logprobs, finish, state)

    def _has_room_for(self, feed: Feed) -> bool:
        if not self._rows:
            return True
        longest = max(row.expected_tokens for row in self._rows.values())
        longest = max(longest, _expected_tokens(feed))
        count = len(self._rows) + 1
        return count <= self._slots and self._holds(count, longest)

    def _holds(self, count: int, longest: int) -> bool:
        """Whether the pool has room for so many rows, each with what its cache has to spare."""
        spare = SMALLEST_ROW - 1
        return count * (longest + spare) <= self._pool_tokens + spare

    def _make_room(self) -> list[Sampled]:
        """Let the youngest wait again until the others' next tokens fit; returns its last token."""
        sampled: list[Sampled] = []
        while len(self._rows) > 1 and self._writing.uids:
            longest = max(row.tokens for row in self._rows.values()) + 1
            if self._holds(len(self._rows), longest):
                break
            last = self._pause(max(self._writing.uids))
            if last.key not in self._told:
                sampled.append(last)
        return sampled

    def _pause(self, key: int) -> Sampled:
        """Take a row out. Its next token is computed already: that is its last one for now."""
        batch = self._writing
        feed, tokens = self._rows[key].feed, batch.tokens[batch.uids.index(key)]
        (last,) = self._ahead({key})
        if last.finish is not None:
            return last
        del self._rows[key]
        batch.filter([place for place, other in enumerate(batch.uids) if other != key])
        rest = [*tokens, last.token]
        left_tokens = feed.max_tokens - (len(rest) - feed.prompt_tokens)
        again = replace(
            feed, rest=rest, state=None, max_tokens=left_tokens, boundaries=(), scorer=None
        )
        self._waiting.appendleft((key, again))
        return last


def _expected_tokens(feed: Feed) -> int:
    """What a sequence is made room for: its prompt, and its answer up to a usual length."""
    return feed.prompt_tokens + min(feed.max_tokens, _EXPECTED_TOKENS)
