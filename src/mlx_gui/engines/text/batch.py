"""Decodes many sequences together, on mlx-lm's batch generator.

All rows of a batch are as long as the longest, so the cache takes rows times that length. It stays
within a pool of tokens: a sequence waits until there is room for its prompt and the beginning of
its answer, and where the answers outgrow the pool the youngest one waits again. What it had is read
anew later; its answer goes on as if nothing had been.
"""

from collections import deque
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Any, Literal, cast

import mlx.core as mx
import mlx.nn as nn

from mlx_gui.engines.text.caches import adopt, new_cache
from mlx_gui.engines.text.decoding import Fed, Feed, Sampled, State
from mlx_gui.engines.text.library import BatchGenerator
from mlx_gui.engines.text.sampling import greedy

_EXPECTED_TOKENS = 256
"""Of an answer that may be longer, so many are made room for in advance."""

SMALLEST_ROW = 256
"""KV caches grow by so many tokens."""


@dataclass(slots=True)
class _Row:
    """A sequence in the generator; `tokens` of it are in the cache."""

    key: int
    feed: Feed
    tokens: int

    @property
    def expected_tokens(self) -> int:
        return max(self.tokens + 1, expected_tokens(self.feed))


class BatchDecoder:
    """See `decoding.Decoder`. Sequences join and leave the batch between steps.

    One prompt is read at a time, `prefill_tokens` of it between two tokens of the others.
    """

    def __init__(
        self, model: nn.Module, *, slots: int, prefill_tokens: int, pool_tokens: int
    ) -> None:
        self._model = model
        self._slots = slots
        self._pool_tokens = pool_tokens
        self._generator = BatchGenerator(
            model,
            sampler=greedy,
            completion_batch_size=slots,
            prefill_batch_size=1,
            prefill_step_size=prefill_tokens,
            # The stream of this thread: the generator's own is that of whoever imported it.
            stream=mx.default_stream(mx.default_device()),
        )
        self._next_key = 0
        self._waiting: deque[tuple[int, Feed]] = deque()
        self._rows: dict[int, _Row] = {}
        """By the generator's own keys; a sequence that waited again has a new one."""

    def add(self, feeds: Iterable[Feed]) -> list[int]:
        keys: list[int] = []
        for feed in feeds:
            self._next_key += 1
            self._waiting.append((self._next_key, feed))
            keys.append(self._next_key)
        return keys

    def step(self) -> tuple[list[Fed], list[Sampled]]:
        sampled = self._make_room()
        while self._waiting and self._has_room_for(self._waiting[0][1]):
            self._admit(*self._waiting.popleft())
        prompts, tokens = self._generator.next()
        fed = [self._fed(response) for response in prompts]
        return fed, sampled + [self._sampled(response) for response in tokens]

    def remove(self, keys: Iterable[int]) -> Mapping[int, State]:
        wanted = set(keys)
        self._waiting = deque(each for each in self._waiting if each[0] not in wanted)
        uids = [uid for uid, row in self._rows.items() if row.key in wanted]
        left = self._generator.remove(uids, return_prompt_caches=True)
        return {
            self._rows.pop(uid).key: State(tokens, cache) for uid, (cache, tokens) in left.items()
        }

    def bytes(self) -> int:
        return self._generator.prompt_cache_nbytes

    def close(self) -> None:
        self._generator.close()

    def _has_room_for(self, feed: Feed) -> bool:
        if not self._rows:
            return True
        longest = max(row.expected_tokens for row in self._rows.values())
        longest = max(longest, expected_tokens(feed))
        count = len(self._rows) + 1
        return count <= self._slots and count * longest <= self._pool_tokens

    def _make_room(self) -> list[Sampled]:
        """Let the youngest wait again until the others' next tokens fit; returns its last token."""
        sampled: list[Sampled] = []
        while len(self._rows) > 1:
            longest = max(row.tokens for row in self._rows.values()) + 1
            decoding = set(self._generation().uids)
            if len(self._rows) * longest <= self._pool_tokens or not decoding:
                break
            sampled.append(self._pause(max(decoding, key=lambda uid: self._rows[uid].key)))
        return sampled

    def _pause(self, uid: int) -> Sampled:
        """Take a row out. Its next token is computed already: that is its last one for now."""
        batch = self._generation()
        place = batch.uids.index(uid)
        token, logprobs = batch._next_tokens[place].item(), batch._next_logprobs[place]
        row, tokens = self._rows.pop(uid), [*batch.tokens[place], token]
        feed = row.feed
        left_tokens = feed.max_tokens - (len(tokens) - feed.prompt_tokens)
        self._generator.remove([uid])
        if feed.end_tokens.matcher().advance(token):
            return Sampled(row.key, token, logprobs, "stop", None)
        if left_tokens <= 0:
            return Sampled(row.key, token, logprobs, "length", None)
        again = replace(feed, rest=tokens, state=None, max_tokens=left_tokens, boundaries=())
        self._waiting.appendleft((row.key, again))
        return Sampled(row.key, token, logprobs, None, None)

    def _generation(self) -> Any:
        return self._generator._generation_batch

    def _admit(self, key: int, feed: Feed) -> None:
        state = feed.state
        cache = new_cache(self._model) if state is None else [adopt(each) for each in state.cache]
        (uid,) = self._generator.insert_segments(
            [_segments(feed)],
            [feed.max_tokens],
            caches=[cache],
            all_tokens=[list(state.tokens) if state is not None else []],
            samplers=[feed.sampler],
            logits_processors=[list(feed.processors)],
            stop_sequences=[feed.end_tokens],
        )
        self._rows[uid] = _Row(key, feed, feed.cached_tokens)

    def _fed(self, response: Any) -> Fed:
        row, state = self._rows[response.uid], None
        row.tokens = row.feed.cached_tokens + response.progress[0]
        # At the end of the prompt the first token of the answer is under way already.
        if row.tokens in row.feed.boundaries and not response.end_of_prompt:
            ((cache, tokens),) = self._generator.extract_cache([response.uid]).values()
            state = State(list(tokens), cache)
        return Fed(row.key, row.tokens, state)

    def _sampled(self, response: Any) -> Sampled:
        row, state = self._rows[response.uid], None
        row.tokens += 1
        finish = cast(Literal["stop", "length"] | None, response.finish_reason)
        if finish is not None:
            state = State(response.all_tokens, response.prompt_cache)
            del self._rows[response.uid]
        return Sampled(row.key, response.token, response.logprobs, finish, state)


def expected_tokens(feed: Feed) -> int:
    """What a sequence is made room for: its prompt, and its answer up to a usual length."""
    return feed.prompt_tokens + min(feed.max_tokens, _EXPECTED_TOKENS)


def _segments(feed: Feed) -> list[list[int]]:
    """What is to be fed, cut at the boundaries."""
    cached = feed.cached_tokens
    end = cached + len(feed.rest)
    cuts = sorted({cached, end, *(cut for cut in feed.boundaries if cached < cut < end)})
    return [feed.rest[start - cached : stop - cached] for start, stop in pairwise(cuts)]
