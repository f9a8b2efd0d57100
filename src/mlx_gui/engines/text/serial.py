"""Decodes one sequence after the other: for caches that cannot be batched, and with a draft model.

A prompt is read in chunks here as well, one a step, so that a cancel never waits for a whole one.
"""

import copy
from collections import deque
from collections.abc import Generator, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, cast

import mlx.core as mx
import mlx.nn as nn

from mlx_gui.engines.text.decoding import Fed, Feed, Processor, Sampled, State
from mlx_gui.engines.text.inputs import Inputs, begun_before
from mlx_gui.engines.text.mlx_lm import (
    StopSequences,
    generate_step,
    make_prompt_cache,
    maybe_quantize_kv_cache,
    speculative_generate_step,
)
from mlx_gui.engines.text.network import Network


@dataclass(frozen=True, slots=True)
class Draft:
    """A smaller model that proposes `tokens` at a time, which the model then checks together."""

    model: nn.Module
    tokens: int


@dataclass(frozen=True, slots=True)
class KVQuantization:
    """How the KV cache is held: `bits` a value, with a scale for each `group_size` of them."""

    bits: int
    group_size: int


@dataclass(slots=True, eq=False)
class _Sequence:
    """`cache` holds `tokens`; `rest` of the prompt is still to be fed."""

    key: int
    feed: Feed
    cache: list[Any]
    tokens: list[int]
    rest: list[int]
    ends: StopSequences.Matcher
    sampled_tokens: int = 0
    answer: Generator[tuple[int, mx.array]] | None = None


class SerialDecoder:
    """See `decoding.Decoder`. Whoever came first is decoded to its end.

    With a draft, its cache follows that of the model, and no state is left at the end of an answer:
    the two hold different numbers of tokens then.
    """

    def __init__(
        self,
        network: Network,
        *,
        prefill_tokens: int,
        draft: Draft | None = None,
        kv: KVQuantization | None = None,
    ) -> None:
        self._network = network
        self._prefill_tokens = prefill_tokens
        self._draft = draft
        self._kv = kv
        self._stream = mx.default_stream(mx.default_device())
        self._layers = len(make_prompt_cache(network.model))
        self._sequences: deque[_Sequence] = deque()
        self._next_key = 0

    def add(self, feeds: Iterable[Feed]) -> list[int]:
        return [self._add(feed) for feed in feeds]

    def step(self) -> tuple[list[Fed], list[Sampled]]:
        if not self._sequences:
            return [], []
        sequence = self._sequences[0]
        if len(sequence.rest) > 1:
            return [self._read(sequence)], []
        if not sequence.feed.max_tokens:
            return [self._end(sequence)], []
        fed: list[Fed] = []
        if sequence.answer is None:
            sequence.answer = self._begin(sequence)
            fed.append(Fed(sequence.key, len(sequence.tokens), None))
        return fed, [self._sample(sequence, sequence.answer)]

    def remove(self, keys: Iterable[int]) -> Mapping[int, State]:
        wanted = set(keys)
        states: dict[int, State] = {}
        for sequence in [each for each in self._sequences if each.key in wanted]:
            self._sequences.remove(sequence)
            if (state := self._leave(sequence)) is not None:
                states[sequence.key] = state
        return states

    def bytes(self) -> int:
        return sum(layer.nbytes for each in self._sequences for layer in each.cache)

    def close(self) -> None:
        self.remove([each.key for each in self._sequences])

    def _add(self, feed: Feed) -> int:
        self._next_key += 1
        state = feed.state or State([], self._new_cache())
        self._sequences.append(
            _Sequence(
                self._next_key,
                feed,
                state.cache,
                list(state.tokens),
                list(feed.rest),
                feed.end_tokens.matcher(),
            )
        )
        return self._next_key

    def _new_cache(self) -> list[Any]:
        cache = make_prompt_cache(self._network.model)
        return cache + make_prompt_cache(self._draft.model) if self._draft else cache

    def _read(self, sequence: _Sequence) -> Fed:
        """Feed the next chunk of the prompt, up to the next boundary but never its last token."""
        done = len(sequence.tokens)
        ahead = [cut - done for cut in sequence.feed.boundaries if cut > done]
        scorer = sequence.feed.scorer
        longest = scorer.chunk_tokens if scorer is not None else self._prefill_tokens
        count = min(longest, len(sequence.rest) - 1, *ahead)
        chunk = mx.array(sequence.rest[:count])[None]
        logits = self._network(
            chunk, sequence.cache[: self._layers], inputs=[sequence.feed.inputs], starts=[done]
        )
        if self._draft is not None:
            self._draft.model(chunk, cache=sequence.cache[self._layers :])
        if self._kv is not None:
            maybe_quantize_kv_cache(sequence.cache, 0, self._kv.group_size, self._kv.bits)
        mx.eval([layer.state for layer in sequence.cache])
        if scorer is not None:
            scorer.take(logits[0])
        mx.clear_cache()
        sequence.tokens += sequence.rest[:count]
        del sequence.rest[:count]
        state = None
        if len(sequence.tokens) in sequence.feed.boundaries:
            state = _held(sequence, copy.deepcopy(sequence.cache))
        return Fed(sequence.key, len(sequence.tokens), state)

    def _end(self, sequence: _Sequence) -> Fed:
        """Let a prompt go that nothing is written after; all but its last token has been read."""
        self._sequences.popleft()
        done_tokens = sequence.feed.prompt_tokens
        return Fed(sequence.key, done_tokens, self._leave(sequence), ended=True)

    def _begin(self, sequence: _Sequence) -> Generator[tuple[int, mx.array]]:
        """The answer's tokens, each with its log-probabilities, once the last of `rest` is fed."""
        feed = sequence.feed
        last = mx.array(sequence.rest)
        before = mx.array(sequence.tokens, mx.int32)
        sequence.tokens += sequence.rest
        sequence.rest = []
        common: dict[str, Any] = {
            "max_tokens": feed.max_tokens,
            "sampler": feed.sampler,
            "stream": self._stream,
        }
        # A draft is taken back where it was wrong; what looks at the tokens so far cannot be.
        if self._draft is not None and not feed.processors:
            drafted = speculative_generate_step(
                last,
                self._network.model,
                self._draft.model,
                num_draft_tokens=self._draft.tokens,
                prompt_cache=sequence.cache,
                **common,
            )
            return ((int(token), logprobs) for token, logprobs, _ in drafted)
        plain = generate_step(
            last,
            self._following(feed.inputs),
            logits_processors=[_after(before, each) for each in feed.processors],
            prompt_cache=sequence.cache[: self._layers],
            kv_bits=self._kv.bits if self._kv else None,
            kv_group_size=self._kv.group_size if self._kv else 0,
            quantized_kv_start=0,
            **common,
        )
        return cast(Generator[tuple[int, mx.array]], plain)

    def _sample(self, sequence: _Sequence, answer: Generator[tuple[int, mx.array]]) -> Sampled:
        token, logprobs = next(answer)
        sequence.tokens.append(token)
        sequence.sampled_tokens += 1
        if sequence.ends.advance(token):
            finish = "stop"
        elif sequence.sampled_tokens >= sequence.feed.max_tokens:
            finish = "length"
        else:
            return Sampled(sequence.key, token, logprobs, None, None)
        self._sequences.popleft()
        return Sampled(sequence.key, token, logprobs, finish, self._leave(sequence))

    def _leave(self, sequence: _Sequence) -> State | None:
        if sequence.answer is not None:
            sequence.answer.close()
        if not sequence.tokens or self._draft is not None:
            return None
        return _held(sequence, sequence.cache)

    def _following(self, inputs: Inputs) -> Any:
        """The model as the library's generators call it, in a sequence with `inputs`."""

        def call(tokens: mx.array, cache: list[Any]) -> mx.array:
            return self._network(tokens, cache, inputs=[inputs], starts=[cache[0].offset])

        return call if inputs.given or self._network.position_axes else self._network.model


def _held(sequence: _Sequence, cache: list[Any]) -> State:
    """The state of a sequence whose tokens `cache` holds."""
    imprints = begun_before(sequence.feed.inputs.imprints, len(sequence.tokens))
    return State(list(sequence.tokens), cache, imprints)


def _after(before: mx.array, processor: Processor) -> Processor:
    """`processor` with the whole prompt before the tokens that it is shown."""

    def process(tokens: mx.array, logits: mx.array) -> mx.array:
        return processor(mx.concatenate([before, tokens.astype(mx.int32)]), logits)

    return process
