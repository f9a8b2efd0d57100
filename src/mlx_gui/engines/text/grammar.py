"""Output grammars: what an answer may be is decided token by token, by llguidance.

A grammar is compiled on the preparation thread and touches no MLX; each sequence then follows its
own copy on the main thread. Lark grammars may name a token by its id, special or not, as
`<[151657]>`, several as `<[151657-151659]>`, and a special one by its text, as `<tool_call>`.
A string in quotes never matches a special token, and neither does any regex or JSON schema.
"""

import json
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any, cast

import llguidance.hf
import llguidance.numpy
import mlx.core as mx
import numpy as np
from llguidance import LLMatcher, LLParserLimits, LLTokenizer

from mlx_gui.core.errors import CapabilityMissing, InvalidRequest
from mlx_gui.core.generation import Grammar, GrammarKind
from mlx_gui.engines.text.digits import DigitBound, DigitTokens
from mlx_gui.engines.text.enforceable import enforceable, prepared
from mlx_gui.engines.text.grammar_refusal import IN_SCHEMA, NAMES, reason_of, refusal, unenforceable
from mlx_gui.engines.text.mlx_lm import TokenizerWrapper
from mlx_gui.engines.text.schema_nodes import Schema
from mlx_gui.engines.text.thought import Thought, last_token, only
from mlx_gui.engines.text.token_bytes import token_bytes_of

MAX_CHARACTERS = 200_000
_MAX_REGEX_CHARACTERS = 10_000
"""The longest regex costs a few milliseconds a token, for the whole batch."""
_MAX_ITEMS = 5_000
"""Of the parser at one place: four for each optional property of an object."""
_REHEARSED_TOKENS = 8
_MOST_BREAKS = 2

# Fixed, whatever the schema's own `x-guidance` says: nothing is left unenforced without a word, and
# no token goes to white space but the spaces that models have learnt. Without these they go wrong.
_JSON: Any = {
    "whitespace_flexible": False,
    "item_separator": ", ",
    "key_separator": ": ",
    "lenient": False,
    "coerce_one_of": False,
}
# llguidance would choose the tokens itself wherever only one text can follow, and takes the special
# token where that text spells one, like "<think>" in an enum; then nothing fits any more.
_FREE_TOKENS = '%llguidance {"no_forcing": true}'


@dataclass(frozen=True, slots=True)
class CompiledGrammar:
    """A grammar for one model's tokens. `start` begins one sequence after another with it.

    `rule` is what may stand on the right of a rule of Lark, `not_enforced` the places of what was
    left away of a schema.
    """

    kind: GrammarKind
    matcher: LLMatcher
    tokens: LLTokenizer
    rule: str
    not_enforced: tuple[str, ...] = ()
    digits: DigitTokens | None = None
    """Where its numbers are JSON and have to end."""

    def start(self, thought: Thought | None = None) -> "GrammarMask":
        """The logits processor of one sequence, whose answer begins after `thought`."""
        return GrammarMask(self, thought)


class GrammarCompiler:
    """Compiles grammars for one model, on one thread.

    What llguidance must know of the tokenizer takes about a second and is made for the first one.
    """

    def __init__(
        self, tokenizer: TokenizerWrapper, logits_width: int, end_tokens: Collection[int]
    ) -> None:
        self._tokenizer = tokenizer
        self._logits_width = logits_width
        self._end_tokens = sorted(end_tokens)
        self._made: LLTokenizer | None = None
        self._digits: DigitTokens | None = None

    def check_and_compile(self, grammar: Grammar) -> CompiledGrammar:
        """`grammar`, ready to start. Raises InvalidRequest where it cannot be enforced.

        Of a schema that is not strict, what cannot is left away; one that no value can match, or
        that is no schema, is refused all the same.
        """
        if grammar.kind == "json_schema":
            return self._of_schema(grammar)
        check_size(grammar)
        rule = _rule(grammar)
        source = grammar.text if grammar.kind == "lark" else f"start: {rule}"
        matcher, error = self._tried(source, rehearsed=True)
        if error is not None:
            raise refusal(grammar, error)
        digits = self._digit_tokens() if grammar.kind == "json_object" else None
        return CompiledGrammar(grammar.kind, matcher, self._tokens(), rule, digits=digits)

    def compile_calls(
        self, text: str, *, with_digits: bool, not_enforced: tuple[str, ...] = ()
    ) -> CompiledGrammar:
        """A Lark grammar that was made of tools and perhaps the form of an answer.

        `with_digits` says that all of it is JSON. Raises InvalidRequest if it does not compile.
        """
        grammar = Grammar("lark", text)
        matcher, error = self._tried(text, rehearsed=True)
        if error is not None:
            raise refusal(grammar, error)
        digits = self._digit_tokens() if with_digits else None
        return CompiledGrammar("lark", matcher, self._tokens(), "", not_enforced, digits)

    def error_of(self, schema: Schema) -> str | None:
        """What llguidance has against `schema` at first sight; None if it is enforced in full."""
        return self._schema_tried(schema, rehearsed=False)[1]

    def _of_schema(self, grammar: Grammar) -> CompiledGrammar:
        schema, left = schema_of(grammar), ()
        tried: list[LLMatcher] = []

        def error_of(schema: Schema) -> str | None:
            matcher, error = self._schema_tried(schema, rehearsed=True)
            tried.append(matcher)
            return error

        if grammar.strict:
            costly = prepared(schema)
            if costly:
                raise unenforceable(NAMES["json_schema"], costly)
            error = error_of(schema)
        else:
            found = enforceable(schema, error_of)
            schema, left, error = found.schema, found.left, found.error
        if error is not None:
            raise refusal(grammar, error)
        return CompiledGrammar(
            "json_schema",
            tried[-1],
            self._tokens(),
            schema_rule(schema),
            left,
            self._digit_tokens(),
        )

    def _schema_tried(self, schema: Schema, *, rehearsed: bool) -> tuple[LLMatcher, str | None]:
        matcher, error = self._tried(f"start: {schema_rule(schema)}", rehearsed=rehearsed)
        return matcher, None if error is None else error.removeprefix(IN_SCHEMA)

    def _tried(self, source: str, *, rehearsed: bool) -> tuple[LLMatcher, str | None]:
        """`source` compiled, and what llguidance has against it."""
        tokens = self._tokens()
        limits = LLParserLimits(
            max_lexer_states=50_000,
            max_grammar_size=100_000,
            max_items_in_row=_MAX_ITEMS,
            verbose_errors=False,
        )
        matcher = LLMatcher(tokens, _lark(source), log_level=0, limits=limits)
        if matcher.is_error():
            return matcher, matcher.get_error()
        return matcher, _rehearsed(matcher.deep_copy(), tokens) if rehearsed else None

    def _digit_tokens(self) -> DigitTokens:
        if self._digits is None:
            inner: Any = self._tokenizer._tokenizer
            self._digits = DigitTokens(token_bytes_of(self._tokenizer), inner.get_vocab())
        return self._digits

    def _tokens(self) -> LLTokenizer:
        if self._made is None:
            inner: Any = self._tokenizer._tokenizer
            try:
                self._made = llguidance.hf.from_tokenizer(
                    inner,
                    # The tokenizer may know more tokens than the model has logits, or less.
                    n_vocab=max(self._logits_width, len(inner)),
                    eos_token=self._end_tokens,
                )
            except ValueError as error:
                reason = reason_of(str(error))
                raise CapabilityMissing(
                    f"The answers of this model cannot be held to a grammar: {reason}",
                    hint="Leave the schema, regex, grammar or tool choice away, or take another "
                    "model.",
                ) from error
        return self._made


class GrammarMask:
    """The logits processor of one sequence: only tokens that the grammar allows next.

    Once the grammar is complete, those are the end tokens. A thought is left alone, but may not end
    the answer; where one may begin, its start marker is allowed as well. An answer may begin like
    that marker, as harmony's do. Behind a thought, line breaks may come first: without them models
    do not go on as they have learnt to. Reads the last token, and so waits for it.
    """

    def __init__(self, grammar: CompiledGrammar, thought: Thought | None) -> None:
        self._kind: GrammarKind = grammar.kind
        self._matcher = grammar.matcher.deep_copy()
        self._digit_tokens = grammar.digits
        self._digits = self._new_digits()
        self._end_tokens: list[int] = grammar.tokens.eos_tokens
        self._bits = llguidance.numpy.allocate_token_bitmask(1, grammar.tokens.vocab_size)
        self._thought = thought
        self._began = False
        self._marker_tokens = 0
        """Tokens of the start marker that were allowed or forced so far."""
        self._only_marker = False
        """Whether nothing but the start marker goes on like this."""
        self._breaks_left: int | None = None
        """Of the line breaks behind a thought; None where there was none."""
        self._breaks: frozenset[int] = frozenset()
        """Line breaks that were allowed, and of which the grammar knows nothing."""

    def __call__(self, context: mx.array, logits: mx.array) -> mx.array:
        if self._thought is not None:
            self._thought.follow(context)
            if self._thought.stage == "thinking":
                if self._began:
                    self._matcher.reset()
                    self._digits = self._new_digits()
                    self._began = False
                self._breaks_left = _MOST_BREAKS
                return self._endless(logits)
            if self._thought.stage == "before":
                return self._before(self._thought.markers.start_ids, context, logits)
            if self._breaks_left is not None:
                return self._behind(
                    self._breaks_left, self._thought.markers.break_ids, context, logits
                )
            self._thought = None
        return self._answer(context, logits)

    def _before(self, marker: tuple[int, ...], context: mx.array, logits: mx.array) -> mx.array:
        """Either the answer begins, or the marker of a thought, which then has to be finished."""
        done = self._marker_tokens
        if done and (done == len(marker) or last_token(context) != marker[done - 1]):
            self._thought = None
            return self._answer(context, logits)
        self._marker_tokens += 1
        if self._only_marker:
            return only(logits, marker[done])
        masked = self._answer(context, logits)
        self._only_marker = not self._allows(marker[done])
        return mx.where(mx.arange(logits.shape[-1]) == marker[done], logits, masked)

    def _behind(
        self, left: int, breaks: Sequence[int], context: mx.array, logits: mx.array
    ) -> mx.array:
        """The answer begins, or one of the line breaks that are `left` comes in front of it."""
        if self._began and last_token(context) not in self._breaks:
            self._thought = None
            return self._answer(context, logits)
        self._began = False
        masked = self._answer(context, logits)
        offered = breaks if left else ()
        self._breaks_left = max(left - 1, 0)
        self._breaks = frozenset(token for token in offered if not self._allows(token))
        places = mx.arange(logits.shape[-1])
        for token in self._breaks:
            masked = mx.where(places == token, logits, masked)
        return masked

    def _answer(self, context: mx.array, logits: mx.array) -> mx.array:
        if self._began and not self._matcher.is_stopped():
            token = last_token(context)
            self._matcher.consume_token(token)
            if self._digits is not None:
                self._digits.follow(token)
        self._began = True
        llguidance.numpy.fill_next_token_bitmask(self._matcher, self._bits)
        if self._matcher.is_error():
            raise InvalidRequest(
                f"The answer cannot follow the {NAMES[self._kind]} any further: "
                f"{reason_of(self._matcher.get_error())}",
                hint="Make it simpler, or less deep.",
            )
        bits = np.unpackbits(self._bits.view(np.uint8)[0], bitorder="little")
        allowed: Any = bits[: logits.shape[-1]].view(np.bool_)
        if self._digits is not None:
            self._digits.narrow(allowed)
        return mx.where(mx.array(allowed), logits, -mx.inf)

    def _new_digits(self) -> DigitBound | None:
        return DigitBound(self._digit_tokens) if self._digit_tokens is not None else None

    def _endless(self, logits: mx.array) -> mx.array:
        places = mx.arange(logits.shape[-1])
        for token in self._end_tokens:
            logits = mx.where(places == token, -mx.inf, logits)
        return logits

    def _allows(self, token: int) -> bool:
        return bool(self._bits[0, token // 32] >> (token % 32) & 1)


def check_size(grammar: Grammar) -> None:
    """Raises InvalidRequest for one with too many characters."""
    limit = _MAX_REGEX_CHARACTERS if grammar.kind == "regex" else MAX_CHARACTERS
    if len(grammar.text) > limit:
        raise InvalidRequest(
            f"The {NAMES[grammar.kind]} has {len(grammar.text)} characters; {limit} are allowed.",
            hint="Make it shorter.",
        )


def schema_of(grammar: Grammar) -> Schema:
    """The schema that its text is. Raises InvalidRequest where it is not a JSON object."""
    check_size(grammar)
    try:
        schema: object = json.loads(grammar.text)
    except (RecursionError, ValueError) as error:
        raise refusal(grammar, _said_of(grammar.text) or str(error)) from error
    if not isinstance(schema, dict):
        raise refusal(grammar, "Expecting object")
    return cast(Schema, schema)


def schema_rule(schema: Schema) -> str:
    """What may stand on the right of a rule of Lark."""
    return f"%json {json.dumps({**schema, 'x-guidance': _JSON})}"


def _said_of(text: str) -> str:
    """What llguidance has against a text that Python does not read as JSON."""
    try:
        LLMatcher.grammar_from_json_schema(text, overrides=_JSON)
    except ValueError as error:
        return str(error)
    return ""


def _lark(text: str) -> str:
    return LLMatcher.grammar_from_lark(f"{text}\n{_FREE_TOKENS}")


def _rule(grammar: Grammar) -> str:
    """What may stand on the right of a rule of Lark, for all but schemas."""
    match grammar.kind:
        case "regex":
            made = json.loads(LLMatcher.grammar_from_regex(grammar.text))
            return made["grammars"][0]["lark_grammar"].removeprefix("start: ")
        case "lark":
            return f"%lark {{\n{grammar.text}\n{_FREE_TOKENS}\n}}"
        case _:
            return schema_rule({"type": "object"})


def _rehearsed(matcher: LLMatcher, tokens: LLTokenizer) -> str | None:
    """Writes the beginning of an answer: some grammars only then show that they are too large."""
    bits = llguidance.numpy.allocate_token_bitmask(1, tokens.vocab_size)
    for _ in range(_REHEARSED_TOKENS):
        llguidance.numpy.fill_next_token_bitmask(matcher, bits)
        if matcher.is_error():
            return matcher.get_error()
        allowed = np.unpackbits(bits.view(np.uint8)[0], bitorder="little")
        allowed[tokens.eos_tokens] = 0
        if matcher.is_stopped() or not allowed.any():
            return None
        matcher.consume_token(int(allowed.argmax()))
    return None
