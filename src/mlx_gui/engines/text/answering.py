"""One request while it is answered: its `n` sequences, which share the prompt and its cache."""

import copy
import time
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import partial

import mlx.core as mx

from mlx_gui.core.device import scored_tokens
from mlx_gui.core.errors import PROGRAM_ERRORS, InternalError
from mlx_gui.core.generation import Event, Prefill, TokenLogprob, Usage
from mlx_gui.engines.base import PreparedRequest
from mlx_gui.engines.device import backend
from mlx_gui.engines.text.answer_form import may_call_in_form
from mlx_gui.engines.text.decoding import Fed, Feed, Sampled, State
from mlx_gui.engines.text.detokenizing import Decode, TextStream
from mlx_gui.engines.text.inputs import Given, Inputs
from mlx_gui.engines.text.loading import LoadedModel
from mlx_gui.engines.text.logprobs import LogprobReader
from mlx_gui.engines.text.mlx_lm import StopSequences
from mlx_gui.engines.text.pictures import Placed
from mlx_gui.engines.text.prefix_cache import Found, PrefixCache
from mlx_gui.engines.text.processors import GuardedProcessors, make_processors
from mlx_gui.engines.text.prompt import Prompt
from mlx_gui.engines.text.sampling import make_sampler
from mlx_gui.engines.text.scoring import PromptScorer
from mlx_gui.engines.text.sequence import TextSequence
from mlx_gui.engines.text.stops import StopText
from mlx_gui.engines.text.thought import Thought
from mlx_gui.engines.text.token_bytes import TokenBytes, token_bytes_of
from mlx_gui.ipc.output import print_fault
from mlx_gui.parsers.repeats import Repeats

_BEFORE_TOKENS = 8
"""How a token reads depends on no more of those before it."""


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What all answers of one model share. Tokens of `hidden` have no text."""

    decode: Decode
    hidden: frozenset[int]
    end_tokens: frozenset[int]
    token_bytes: TokenBytes
    logprobs: LogprobReader
    scored_tokens: int
    """Of a prompt, so many are scored at once."""
    keeps_ends: bool
    """Whether a state is left when an answer has ended; else it is kept where the prompt ends."""

    @classmethod
    def of(cls, loaded: LoadedModel) -> "Surroundings":
        tokenizer = loaded.tokenizer
        token_bytes = token_bytes_of(tokenizer)
        return cls(
            decode=partial(
                tokenizer.decode, skip_special_tokens=False, clean_up_tokenization_spaces=False
            ),
            hidden=frozenset(
                token for token, added in tokenizer.added_tokens_decoder.items() if added.special
            ),
            end_tokens=frozenset(tokenizer.eos_token_ids),
            token_bytes=token_bytes,
            logprobs=LogprobReader(token_bytes),
            scored_tokens=scored_tokens(backend(), loaded.vocabulary),
            keeps_ends=loaded.draft is None,
        )


class Answering:
    """See the module. `keys` are the decoder's, with the index of the sequence behind each.

    Only the first sequence reads the prompt; the others begin with a copy of its cache.
    """

    def __init__(
        self, prepared: PreparedRequest, surroundings: Surroundings, prefixes: PrefixCache
    ) -> None:
        self.request_id = prepared.request_id
        self.tenant = prepared.tenant
        self.keys: dict[int, int] = {}
        # Pixels take much memory, and are wanted only once.
        self._unseen = deque(prepared.payload.pictures)
        self._imprints = tuple(each.imprint for each in self._unseen)
        self._prompt: Prompt = replace(prepared.payload, pictures=())
        self._request = self._prompt.request
        self._surroundings = surroundings
        self._prefixes = prefixes
        self._sequences = [self._sequence(index) for index in range(self._request.n)]
        self._guards: dict[int, GuardedProcessors] = {}
        self._clock = _Clock()
        self._scorer = self._prompt_scorer()
        self._said: list[int] = []
        found = self._found()
        self._cached_tokens = len(found.state.tokens) if found.state is not None else 0
        self._cache_miss = found.miss
        while self._unseen and self._unseen[0].end <= self._cached_tokens:
            self._unseen.popleft()
        self._given: list[Given] = []
        self._waiting: dict[int, State | None] = {0: found.state}
        # What is scored is told before anything else.
        if self._cached_tokens == self._last and self._scorer is None:
            self._branch(found.state)

    @property
    def ended(self) -> bool:
        return all(sequence.ended for sequence in self._sequences)

    def index_ended(self, key: int) -> bool:
        return self._sequences[self.keys[key]].ended

    @property
    def unseen(self) -> Placed | None:
        """The next picture that has to be looked at before anything is decoded."""
        return self._unseen[0] if self._unseen else None

    def see(self, values: mx.array) -> None:
        """Take in what a picture is to the model, the one that is unseen."""
        self._given.append(Given(self._unseen.popleft().start, values))

    def looked(self, began_s: float) -> None:
        """A step that began at `began_s` was for its pictures: reading has begun."""
        self._clock.prefill(began_s)

    def feeds(self) -> Mapping[int, Feed]:
        """What is to be decoded from now on, by index; each is returned once."""
        assert not self._unseen, "pictures come first"
        waiting, self._waiting = self._waiting, {}
        return {index: self._feed(index, state) for index, state in waiting.items()}

    def read(self, fed: Fed, began_s: float) -> list[Event]:
        """The events of a part of the prompt that a step which began at `began_s` has read."""
        self._clock.prefill(began_s)
        if fed.state is not None:
            reached = len(fed.state.tokens)
            if reached in self._kept_boundaries():
                self._prefixes.put(self.tenant, fed.state)
            if reached == self._last:
                self._branch(fed.state)
        echoed = self._scored()
        # One that waited again reads what it has written as well.
        if self.keys[fed.key] or self._clock.answering:
            return []
        progress = Prefill(fed.done_tokens, len(self._prompt.ids), self._cached_tokens)
        return [progress, *echoed, *(self._unwritten() if fed.ended else ())]

    def take(self, sampled: Sampled) -> list[Event]:
        """The events of a sampled token, without the usage. Raises what is wrong with the request.

        Nothing comes of a token after the end: one is computed ahead.
        """
        self._clock.token()
        index = self.keys[sampled.key]
        guard = self._guards.get(index)
        if guard is not None and guard.error is not None:
            raise guard.error
        if sampled.state is not None:
            self.keep(sampled.key, sampled.state)
        if index == 0 and self._request.tells_ids and not self._sequences[index].ended:
            self._said.append(sampled.token)
        try:
            return self._sequences[index].token(
                sampled.token, sampled.finish, self._logprob(sampled)
            )
        except PROGRAM_ERRORS as error:
            # A fault of ours in reading this text; the rows beside it are sound.
            print_fault(self.request_id)
            raise InternalError(
                f"The answer could not be read: {type(error).__name__}.",
                hint="The server's log has the details.",
            ) from error

    def keep(self, key: int, state: State) -> None:
        """Take what is left of a sequence into the prefix cache; of the others it is a copy."""
        if self.keys[key] == 0:
            self._prefixes.put(self.tenant, state)

    def cancelled(self) -> list[Event]:
        """The events that end what nobody waits for."""
        running = [sequence for sequence in self._sequences if not sequence.ended]
        ends = [event for sequence in running for event in sequence.cancelled()]
        return [*ends, self.usage()]

    def usage(self) -> Usage:
        prefill_ms, decode_ms = self._clock.durations_ms()
        return Usage(
            prompt_tokens=len(self._prompt.ids),
            completion_tokens=sum(each.completion_tokens for each in self._sequences),
            cached_tokens=self._cached_tokens,
            prefill_ms=prefill_ms,
            decode_ms=decode_ms,
            reasoning_tokens=sum(each.reasoning_tokens for each in self._sequences),
            cache_miss=self._cache_miss,
            ids=(*self._prompt.ids, *self._said) if self._request.tells_ids else (),
            images=len(self._imprints),
            image_tokens=sum(each.tokens for each in self._imprints),
        )

    @property
    def _last(self) -> int:
        """The position of the prompt's last token, which each sequence is fed by itself."""
        return len(self._prompt.ids) - 1

    def _found(self) -> Found:
        """What of the prompt need not be read again."""
        if self._scorer is not None:
            return Found(None, "the prompt is scored")
        return self._prefixes.find(self.tenant, list(self._prompt.ids), self._imprints)

    def _scored(self) -> list[Event]:
        """The events of what was scored of the prompt, with which each answer begins."""
        scores = self._scorer.told() if self._scorer is not None else ()
        if not scores:
            return []
        if not self._last:
            self._branch(None)
        return [event for each in self._sequences for event in each.echoed(scores)]

    def _prompt_scorer(self) -> PromptScorer | None:
        top = self._request.top_logprobs
        if not self._request.scores_prompt or top is None:
            return None
        return PromptScorer(
            self._surroundings.logprobs,
            self._prompt.ids,
            offsets=self._prompt.offsets,
            top=top,
            chunk_tokens=self._surroundings.scored_tokens,
        )

    def _unwritten(self) -> list[Event]:
        """The events that end a request for no tokens."""
        self._clock.token()
        return [event for each in self._sequences for event in each.unwritten()]

    def _kept_boundaries(self) -> tuple[int, ...]:
        return self._prompt.boundaries if self._surroundings.keeps_ends else (self._last,)

    def _branch(self, state: State | None) -> None:
        """Give the other sequences what the first has read, if they write anything."""
        for index in range(1, len(self._sequences) if self._prompt.max_tokens else 1):
            own = state and replace(state, cache=copy.deepcopy(state.cache))
            self._waiting[index] = own

    def _feed(self, index: int, state: State | None) -> Feed:
        prompt = self._prompt
        processors = self._processors()
        if processors is not None:
            self._guards[index] = processors
        boundaries = set(self._kept_boundaries())
        if index == 0 and len(self._sequences) > 1:
            boundaries.add(self._last)
        return Feed(
            rest=list(prompt.ids[len(state.tokens) if state is not None else 0 :]),
            state=state,
            max_tokens=prompt.max_tokens,
            sampler=make_sampler(prompt.choice, index),
            processors=(processors,) if processors is not None else (),
            end_tokens=StopSequences([(token,) for token in self._end_tokens()]),
            boundaries=tuple(sorted(boundaries)),
            scorer=self._scorer if index == 0 else None,
            inputs=Inputs(tuple(self._given), self._imprints, prompt.positions),
        )

    def _end_tokens(self) -> frozenset[int]:
        if self._request.ignore_eos:
            return frozenset()
        return self._surroundings.end_tokens | self._prompt.end_tokens

    def _processors(self) -> GuardedProcessors | None:
        prompt, thinking = self._prompt, self._prompt.thinking
        thought = thinking and Thought(
            thinking.markers, thinking.stage, self._surroundings.token_bytes
        )
        return make_processors(
            prompt.choice,
            prompt.ids,
            thought=thought,
            budget_tokens=thinking.budget_tokens if thinking is not None else None,
            grammar=prompt.grammar,
        )

    def _logprob(self, sampled: Sampled) -> TokenLogprob | None:
        top = self._request.top_logprobs
        if top is None or (sampled.finish == "stop" and self._scorer is None):
            return None
        return self._surroundings.logprobs.read(sampled.logprobs, sampled.token, top)

    def _sequence(self, index: int) -> TextSequence:
        goes_on = self._request.prompt is not None or self._request.continue_final
        choice = self._request.tool_choice
        return TextSequence(
            index,
            text=TextStream(
                self._surroundings.decode,
                self._surroundings.token_bytes,
                self._surroundings.hidden - self._prompt.visible,
                self._prompt.ids[-_BEFORE_TOKENS:] if goes_on else (),
            ),
            parser=self._prompt.parser(),
            stops=StopText(self._request.stop),
            one_call=choice.mode == "named" or not choice.parallel,
            repeats=Repeats() if may_call_in_form(self._request) else None,
            echo=self._prompt.echo,
            scored=self._request.scores_prompt,
        )


class _Clock:
    """When the reading of the prompt began, and the first and the last token came."""

    def __init__(self) -> None:
        self._prefill_s: float | None = None
        self._first_s: float | None = None
        self._last_s: float | None = None

    @property
    def answering(self) -> bool:
        return self._first_s is not None

    def prefill(self, began_s: float) -> None:
        if self._prefill_s is None:
            self._prefill_s = began_s

    def token(self) -> None:
        self._last_s = time.monotonic()
        if self._first_s is None:
            self._first_s = self._last_s

    def durations_ms(self) -> tuple[float, float]:
        """Of prefill and decode; 0 for what did not happen."""
        return _ms(self._prefill_s, self._first_s), _ms(self._first_s, self._last_s)


def _ms(start_s: float | None, end_s: float | None) -> float:
    return 0.0 if start_s is None or end_s is None else (end_s - start_s) * 1000
