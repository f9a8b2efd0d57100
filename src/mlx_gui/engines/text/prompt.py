"""Requests become token ids: template, tokenise, check. Runs on the preparation thread."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from mlx_gui.core.errors import ContextTooLong, InvalidRequest
from mlx_gui.core.generation import (
    Detokenized,
    DetokenizeRequest,
    GenerateRequest,
    Message,
    Prepared,
    Tokenized,
    TokenizeRequest,
)
from mlx_gui.core.model import LoadSpec
from mlx_gui.engines.base import PreparedRequest, StillWanted, always_wanted
from mlx_gui.engines.text.answer_form import compiled_form, may_call_in_form
from mlx_gui.engines.text.chat import ChatFormat, Conversation, merged_reasoning
from mlx_gui.engines.text.detokenizing import text_of
from mlx_gui.engines.text.grammar import CompiledGrammar, GrammarCompiler
from mlx_gui.engines.text.infilling import Infilling
from mlx_gui.engines.text.inputs import Positions
from mlx_gui.engines.text.lengths import check_tokenized, tokens_if_too_long
from mlx_gui.engines.text.loading import LoadedModel
from mlx_gui.engines.text.mlx_lm import TokenizerWrapper
from mlx_gui.engines.text.penalties import check_logit_bias
from mlx_gui.engines.text.pictures import Album, Placed, Read
from mlx_gui.engines.text.sampling import Choice, resolve
from mlx_gui.engines.text.scoring import offsets_by_bytes, offsets_in_text
from mlx_gui.engines.text.thought import Thinking, ThoughtMarkers
from mlx_gui.engines.text.token_bytes import token_bytes_of
from mlx_gui.engines.text.truncation import without_oldest
from mlx_gui.parsers.base import AnswerParser, Dialect
from mlx_gui.parsers.dialects import parser_for

# Of the context, this part is left to the answer when old turns are dropped.
_ANSWER_SHARE = 4


@dataclass(frozen=True, slots=True)
class Prompt:
    """What the engine takes in: ids that the model has, and an answer that fits the context.

    `parser` makes a parser for each answer, `visible` are special tokens that it must see. Of a
    `thinking` model's answer, `grammar` is for what follows the thought. `boundaries` are lengths
    of the prompt that later prompts of this conversation will likely begin with. `echo` is the text
    that the answer begins with; if its tokens are scored, they begin at `offsets` in it. Besides
    the model's own, `end_tokens` end the answer. `pictures` are in their order, and with them a
    model may want `positions`.
    """

    request: GenerateRequest
    ids: tuple[int, ...]
    max_tokens: int
    choice: Choice
    parser: Callable[[], AnswerParser]
    visible: frozenset[int] = frozenset()
    thinking: Thinking | None = None
    grammar: CompiledGrammar | None = None
    boundaries: tuple[int, ...] = ()
    echo: str = ""
    offsets: tuple[int, ...] = ()
    end_tokens: frozenset[int] = frozenset()
    pictures: tuple[Placed, ...] = ()
    positions: Positions | None = None


@dataclass(frozen=True, slots=True)
class _Text:
    """A prompt before its checks. `pictures` begin at these tokens; see `Conversation.moved`."""

    ids: list[int]
    dialect: Dialect
    in_thought: bool
    text: str
    dropped: int = 0
    boundaries: tuple[int, ...] = ()
    end_tokens: frozenset[int] = frozenset()
    dropped_ids: int = 0
    pictures: tuple[tuple[int, Read], ...] = ()
    moved: tuple[str, ...] = ()


class Preparation:
    """Owns its tokenizer: the thread that detokenises has another."""

    def __init__(
        self,
        loaded: LoadedModel,
        spec: LoadSpec,
    ) -> None:
        self._tokenizer: TokenizerWrapper = loaded.preparation_tokenizer
        self._vocabulary = loaded.vocabulary
        self._generation_config: Mapping[str, Any] = loaded.generation_config
        self._spec = spec
        self._token_bytes = token_bytes_of(self._tokenizer)
        self._album = None if loaded.eyes is None else Album(loaded.eyes, spec.text.context)
        self._chat = ChatFormat(
            self._tokenizer, Path(spec.path), spec.text, sees=self._album is not None
        )
        self._infilling = Infilling(
            self._tokenizer,
            self._chat.dialect,
            token_id=self._chat.token_id,
            model_id=spec.model_id,
        )
        self._grammars = GrammarCompiler(
            self._tokenizer, loaded.vocabulary, self._tokenizer.eos_token_ids
        )
        # A cache that can be trimmed fits any prompt that begins alike.
        self._with_boundaries = not loaded.trimmable

        self._still_wanted: StillWanted = always_wanted

    @property
    def dialect(self) -> Dialect:
        """What the model's answers look like."""
        return self._chat.dialect

    def prepare(
        self,
        request_id: str,
        request: GenerateRequest,
        still_wanted: StillWanted = always_wanted,
    ) -> PreparedRequest:
        """The request as ids. Raises InvalidRequest or a kind of it, and as `still_wanted` does."""
        self._begin(still_wanted)
        prompt = self._read(request)
        self._check(
            prompt.ids,
            "messages" if request.prompt is None else "prompt",
            answer_tokens=min(1, 1 if request.max_tokens is None else request.max_tokens),
        )
        room = self._spec.text.context - len(prompt.ids)
        choice = resolve(request.sampling, self._spec.text.sampling, self._generation_config)
        check_logit_bias(choice.logit_bias, self._vocabulary)
        thinking = self._thinking(request, prompt)
        # Before the grammar is compiled.
        self._still_wanted()
        grammar = compiled_form(
            request, prompt.dialect, grammars=self._grammars, token_id=self._chat.token_id
        )
        pictures, positions = self._placed(prompt)
        payload = Prompt(
            request=request,
            ids=tuple(prompt.ids),
            max_tokens=room if request.max_tokens is None else min(request.max_tokens, room),
            choice=choice,
            parser=partial(
                parser_for,
                prompt.dialect,
                request,
                prompt_ends_in_thought=prompt.in_thought,
                constrained=may_call_in_form(request),
            ),
            visible=self._visible(request, prompt.dialect),
            thinking=thinking,
            grammar=grammar,
            boundaries=prompt.boundaries,
            echo=prompt.text if request.echo else "",
            offsets=self._offsets(request, prompt) if request.scores_prompt else (),
            end_tokens=prompt.end_tokens,
            pictures=pictures,
            positions=positions,
        )
        told = Prepared(
            len(prompt.ids),
            prompt.dropped,
            grammar.not_enforced if grammar is not None else (),
            prompt.dropped_ids,
            scaled_down=tuple(
                read.scaled_down for _, read in prompt.pictures if read.scaled_down is not None
            ),
            moved=prompt.moved,
        )
        return PreparedRequest(request_id, payload, told)

    def tokenize(
        self, request: TokenizeRequest, still_wanted: StillWanted = always_wanted
    ) -> Tokenized:
        """The ids of a request's prompt, and what each reads as. Raises as `prepare` does."""
        self._begin(still_wanted)
        asked = request.request
        match asked.prompt:
            case None:
                self._look_at(asked)
                conversation = self._chat.render(asked, asked.messages)
                check_tokenized(conversation.text)
                ids = self._encoded(conversation)
            case str(text):
                check_tokenized(text)
                ids = self._encode(text, special=request.special)
            case given:
                ids = list(given)
                self._check_ids(ids)
        return Tokenized(tuple(ids), tuple(self._tokenizer.decode([id]) for id in ids))

    def detokenize(self, request: DetokenizeRequest) -> Detokenized:
        """The text of ids. Raises InvalidRequest for those that the model does not have."""
        self._check_ids(request.ids)
        return Detokenized(self._text_of(request.ids))

    def _begin(self, still_wanted: StillWanted) -> None:
        """From here on it is another request."""
        self._chat.begin()
        self._still_wanted = still_wanted

    def _read(self, request: GenerateRequest) -> _Text:
        match request.prompt:
            case None:
                return self._read_messages(request)
            case str(text) if request.suffix:
                self._check_characters(text)
                self._check_characters(request.suffix)
                gap = self._infilling.gap(request, _valid(text), _valid(request.suffix))
                return _Text(gap.ids, self.dialect, False, text, end_tokens=gap.end_tokens)
            case str(text):
                self._check_characters(text)
                ids = self._encode(text, special=self._adds_special(text))
                return _Text(ids, self.dialect, _leaves_thought_open(text, self.dialect), text)
            case ids:
                self._check_ids(ids)
                text = self._text_of(ids)
                open_thought = _leaves_thought_open(text, self.dialect)
                return _Text(list(ids), self.dialect, open_thought, text)

    def _read_messages(self, request: GenerateRequest) -> _Text:
        if not request.messages:
            raise InvalidRequest(
                "There are no messages.", hint="Send at least one message.", param="messages"
            )
        self._look_at(request)
        messages: Sequence[Message] = request.messages
        truncate = self._spec.text.truncate if request.truncate is None else request.truncate
        room = self._prompt_room(request)
        conversation = self._chat.render(request, messages)
        ids = self._fitting(conversation, room) if truncate else None
        if truncate and ids is None:
            messages = without_oldest(messages, partial(self._fits, request))
            conversation = self._chat.render(request, messages)
        if ids is None:
            self._check_characters(conversation.text)
            ids = self._encoded(conversation)
        boundaries: tuple[int, ...] = ()
        if self._with_boundaries and not request.earlier:
            boundaries = self._boundaries(request, messages, conversation, ids)
        earlier = self._earlier(request, max(0, room - len(ids)) if truncate else None)
        if earlier and ids[:1] == [self._tokenizer.bos_token_id]:
            ids = ids[1:]
        ids = [*earlier, *ids]
        pictures: tuple[tuple[int, Read], ...] = ()
        if self._album is not None:
            pictures = self._album.places(ids, conversation.pictures, behind=len(earlier))
        return _Text(
            ids,
            conversation.dialect,
            _is_in_thought(conversation),
            conversation.shown,
            len(request.messages) - len(messages),
            boundaries,
            dropped_ids=len(request.earlier) - len(earlier),
            pictures=pictures,
            moved=conversation.moved,
        )

    def _look_at(self, request: GenerateRequest) -> None:
        """Read the pictures, if the model sees; else the chat format refuses them."""
        if self._album is not None:
            self._album.read(request.messages, self._still_wanted)

    def _placed(self, prompt: _Text) -> tuple[tuple[Placed, ...], Positions | None]:
        """The pictures of a prompt that has room for its answer, and what positions they make."""
        if self._album is None or not prompt.pictures:
            return (), None
        return self._album.placed(prompt.pictures, len(prompt.ids), self._still_wanted)

    def _offsets(self, request: GenerateRequest, prompt: _Text) -> tuple[int, ...]:
        """Where the tokens of a raw prompt begin in its text."""
        offsets = None
        if isinstance(request.prompt, str):
            special = self._adds_special(request.prompt)
            offsets = offsets_in_text(
                self._tokenizer, _valid(request.prompt), prompt.ids, special=special
            )
        if offsets is None:
            offsets = offsets_by_bytes(self._token_bytes, prompt.text, prompt.ids)
        return tuple(offsets)

    def _adds_special(self, text: str) -> bool:
        """Whether a raw text gets the special tokens that begin one: not if it has them."""
        bos = self._tokenizer.bos_token
        return not (bos and text.startswith(bos))

    def _earlier(self, request: GenerateRequest, most: int | None) -> tuple[int, ...]:
        """The ids that the conversation follows on: the newest `most`, or all. Checks them."""
        earlier = request.earlier
        self._check_ids(earlier, param="context")
        return earlier if most is None else earlier[max(0, len(earlier) - most) :]

    def _prompt_room(self, request: GenerateRequest) -> int:
        """Tokens that a prompt may have which leaves some to the answer."""
        share = self._spec.text.context // _ANSWER_SHARE
        wanted = share if request.max_tokens is None else request.max_tokens
        return self._spec.text.context - min(wanted, share) - 1

    def _fits(self, request: GenerateRequest, messages: Sequence[Message]) -> bool:
        conversation = self._chat.render(request, messages)
        return self._fitting(conversation, self._prompt_room(request)) is not None

    def _fitting(self, conversation: Conversation, room: int) -> list[int] | None:
        """The ids of a conversation that are no more than `room`; None where they are more."""
        if self._tokens_if_too_long(conversation.text) is not None:
            return None
        ids = self._encoded(conversation)
        return ids if len(ids) <= room else None

    def _tokens_if_too_long(self, text: str) -> int | None:
        """About how many, where the context has surely no room for `text`."""
        self._still_wanted()
        return tokens_if_too_long(
            text, self._spec.text.context, encode=partial(self._encode, special=False)
        )

    def _check_characters(self, text: str) -> None:
        """Raises ContextTooLong for a text that need not be read to its end to know that."""
        tokens = self._tokens_if_too_long(text)
        if tokens is not None:
            raise self._too_long(tokens, "about ")

    def _boundaries(
        self,
        request: GenerateRequest,
        messages: Sequence[Message],
        conversation: Conversation,
        ids: Sequence[int],
    ) -> tuple[int, ...]:
        """The ends of what the system says, and of the last message."""
        system = [message for message in messages if message.role == "system"]
        other = Message("user", ())
        try:
            shared = [
                self._chat.render(request, messages, generation_prompt=False).text,
                self._chat.render(request, [*system, other], generation_prompt=False).text,
            ]
        except InvalidRequest:
            return ()
        ends = {
            _common(self._encoded(conversation, _common(text, conversation.text)), ids)
            for text in shared
        }
        return tuple(sorted(end for end in ends if 0 < end < len(ids)))

    def _thinking(self, request: GenerateRequest, prompt: _Text) -> Thinking | None:
        """What is to be watched of the thought; None for a model that does not think."""
        thought = prompt.dialect.thought
        if thought is None:
            return None
        start, end = thought
        reasoning = merged_reasoning(request.reasoning, self._spec.text.reasoning)
        return Thinking(
            ThoughtMarkers(
                start,
                end,
                tuple(self._encode(start, special=False)),
                tuple(self._encode(end, special=False)),
                () if prompt.dialect.calls is None else self._line_breaks(),
            ),
            "thinking" if prompt.in_thought else "before",
            # A template may not know how to switch thinking off.
            0 if reasoning.enabled is False else reasoning.budget_tokens,
        )

    def _line_breaks(self) -> tuple[int, ...]:
        """One or two of them, where that is a token."""
        encoded = (self._encode(text, special=False) for text in ("\n", "\n\n"))
        return tuple(ids[0] for ids in encoded if len(ids) == 1)

    def _visible(self, request: GenerateRequest, dialect: Dialect) -> frozenset[int]:
        """Without tools, markers of calls mean as little as any other special token."""
        all_count = dialect.calls is None or (request.tools and request.tool_choice.mode != "none")
        thought = "".join(dialect.thought or ())
        ids = (
            self._chat.token_id(marker)
            for marker in dialect.markers
            if all_count or marker in thought
        )
        return frozenset(id for id in ids if id is not None)

    def _encoded(self, conversation: Conversation, characters: int | None = None) -> list[int]:
        """The ids of all of its text, or of the first characters."""
        self._still_wanted()
        text, special = conversation.text[:characters], conversation.special
        album = self._album if conversation.pictures else None
        if album is not None:
            text = album.eyes.spelt(text)
        if conversation.wedge is None:
            ids = self._encode(text, special=special)
        else:
            ids = conversation.controls.encode(_valid(text), conversation.wedge, special=special)
        if album is None:
            return ids
        return album.filled(ids, conversation.pictures, whole=characters is None)

    def _encode(self, text: str, *, special: bool) -> list[int]:
        return self._tokenizer.encode(_valid(text), add_special_tokens=special)

    def _text_of(self, ids: Sequence[int]) -> str:
        return text_of(ids, self._tokenizer.decode, self._token_bytes)

    def _check(self, ids: Sequence[int], param: str, *, answer_tokens: int) -> None:
        """That there are ids, which leave room to the answer."""
        if not ids:
            raise InvalidRequest("The prompt is empty.", hint="Send some text.", param=param)
        self._check_ids(ids)
        context = self._spec.text.context
        if len(ids) + answer_tokens > context:
            raise self._too_long(len(ids))

    def _too_long(self, tokens: int, about: str = "") -> ContextTooLong:
        context = self._spec.text.context
        return ContextTooLong(
            f"The prompt has {about}{tokens} tokens, the context holds {context}.",
            hint="Shorten the conversation or load the model with a longer context.",
            details={"prompt_tokens": tokens, "context_tokens": context},
        )

    def _check_ids(self, ids: Sequence[int], param: str | None = None) -> None:
        """MLX reads beyond the embedding without a word, or ends the process."""
        for id in ids:
            if not 0 <= id < self._vocabulary:
                raise InvalidRequest(
                    f"There is no token {id}; the model has those below {self._vocabulary}.",
                    hint="Send ids of this model's own tokenizer; where none were sent, it does "
                    "not belong to the model's weights: install the model again.",
                    param=param,
                )


def _is_in_thought(conversation: Conversation) -> bool:
    """What users write does not count: the template opens a thought at the end or not at all."""
    if _leaves_thought_open(conversation.opened, conversation.dialect):
        return True
    start = conversation.dialect.think_start
    return start is not None and conversation.text.rstrip().endswith(start)


def _leaves_thought_open(text: str, dialect: Dialect) -> bool:
    if dialect.thought is None:
        return False
    start, end = dialect.thought
    return text.rfind(start) > text.rfind(end)


def _common(one: Sequence[Any], other: Sequence[Any]) -> int:
    """How many items both begin with."""
    pairs = enumerate(zip(one, other, strict=False))
    return next((place for place, (a, b) in pairs if a != b), min(len(one), len(other)))


def _valid(text: str) -> str:
    """Half a surrogate pair is no character, and no tokenizer takes it."""
    return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
