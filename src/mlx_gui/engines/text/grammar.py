"""Output grammars: what an answer may be is decided token by token, by llguidance.

A grammar is compiled on the preparation thread and touches no MLX; each sequence then follows its
own copy on the main thread. Lark grammars may name a token by its id, special or not, as
`<[151657]>`, several as `<[151657-151659]>`, and a special one by its text, as `<tool_call>`.
A string in quotes never matches a special token, and neither does any regex or JSON schema.
"""

import json
import re
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from typing import Any

import llguidance.hf
import llguidance.numpy
import mlx.core as mx
import numpy as np
from llguidance import LLMatcher, LLParserLimits, LLTokenizer

from mlx_gui.core.errors import CapabilityMissing, InvalidRequest
from mlx_gui.core.generation import Grammar, GrammarKind
from mlx_gui.engines.text.library import TokenizerWrapper
from mlx_gui.engines.text.thought import Thought, last_token, only

_MAX_CHARACTERS = 200_000
_MAX_REGEX_CHARACTERS = 10_000
"""The longest regex costs a few milliseconds a token, for the whole batch."""
_REHEARSED_TOKENS = 8
_REASON_CHARACTERS = 300

# Fixed, whatever the schema's own `x-guidance` says: nothing is left unenforced without a word, and
# no token goes to white space but the spaces that models have learnt. Without these they go wrong.
_JSON: Any = {
    "whitespace_flexible": False,
    "item_separator": ", ",
    "key_separator": ": ",
    "lenient": False,
    "coerce_one_of": False,
}
_ANY_OBJECT = '{"type": "object"}'
# llguidance would choose the tokens itself wherever only one text can follow, and takes the special
# token where that text spells one, like "<think>" in an enum; then nothing fits any more.
_FREE_TOKENS = '%llguidance {"no_forcing": true}'
_NAMES: dict[GrammarKind, str] = {
    "json_object": "JSON object",
    "json_schema": "JSON schema",
    "regex": "regex",
    "lark": "Lark grammar",
}
_UNKNOWN_KEYWORDS = re.compile(r"Unimplemented keys: (\[.*?\])")
_MAPS_OF_SCHEMAS = frozenset({"properties", "patternProperties", "$defs", "definitions"})
_VALUES = frozenset({"enum", "const", "default", "examples"})


@dataclass(frozen=True, slots=True)
class CompiledGrammar:
    """A grammar for one model's tokens. `start` begins one sequence after another with it."""

    kind: GrammarKind
    matcher: LLMatcher
    tokens: LLTokenizer

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

    def check_and_compile(self, grammar: Grammar) -> CompiledGrammar:
        """`grammar`, ready to start. Raises InvalidRequest where it cannot be enforced in full."""
        _check_size(grammar)
        tokens = self._tokens()
        limits = LLParserLimits(
            max_lexer_states=50_000, max_grammar_size=100_000, verbose_errors=False
        )
        matcher = LLMatcher(tokens, _source(grammar), log_level=0, limits=limits)
        if matcher.is_error():
            raise _refusal(grammar, matcher.get_error())
        _rehearse(matcher.deep_copy(), grammar, tokens)
        return CompiledGrammar(grammar.kind, matcher, tokens)

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
                raise CapabilityMissing(
                    f"The answers of this model cannot be held to a grammar: {_reason(str(error))}",
                    hint="Leave the schema, regex, grammar or tool choice away, or take another "
                    "model.",
                ) from error
        return self._made


class GrammarMask:
    """The logits processor of one sequence: only tokens that the grammar allows next.

    Once the grammar is complete, those are the end tokens. A thought is left alone, but may not end
    the answer; where one may begin, its start marker is allowed as well. Reads the last token, and
    so waits for it.
    """

    def __init__(self, grammar: CompiledGrammar, thought: Thought | None) -> None:
        self._kind: GrammarKind = grammar.kind
        self._matcher = grammar.matcher.deep_copy()
        self._end_tokens: list[int] = grammar.tokens.eos_tokens
        self._bits = llguidance.numpy.allocate_token_bitmask(1, grammar.tokens.vocab_size)
        self._thought = thought
        self._began = False
        self._marker_tokens = 0
        """Tokens of the start marker that were allowed or forced so far."""

    def __call__(self, context: mx.array, logits: mx.array) -> mx.array:
        if self._thought is not None:
            self._thought.follow(context)
            if self._thought.stage == "thinking":
                self._began = False
                return self._endless(logits)
            if self._thought.stage == "before":
                return self._before(self._thought.markers.start_ids, context, logits)
            self._thought = None
        return self._answer(context, logits)

    def _before(self, marker: tuple[int, ...], context: mx.array, logits: mx.array) -> mx.array:
        """Either the answer begins, or the marker of a thought, which then has to be finished."""
        if not self._began:
            masked = self._answer(context, logits)
            if self._allows(marker[0]):
                self._thought = None
                return masked
            self._marker_tokens = 1
            return mx.where(mx.arange(logits.shape[-1]) == marker[0], logits, masked)
        done = self._marker_tokens
        if done < len(marker) and last_token(context) == marker[done - 1]:
            self._marker_tokens += 1
            return only(logits, marker[done])
        self._thought = None
        return self._answer(context, logits)

    def _answer(self, context: mx.array, logits: mx.array) -> mx.array:
        if self._began and not self._matcher.is_stopped():
            self._matcher.consume_token(last_token(context))
        self._began = True
        llguidance.numpy.fill_next_token_bitmask(self._matcher, self._bits)
        if self._matcher.is_error():
            raise InvalidRequest(
                f"The answer cannot follow the {_NAMES[self._kind]} any further: "
                f"{_reason(self._matcher.get_error())}",
                hint="Make it simpler, or less deep.",
            )
        bits = np.unpackbits(self._bits.view(np.uint8)[0], bitorder="little")
        allowed: Any = bits[: logits.shape[-1]].view(np.bool_)
        return mx.where(mx.array(allowed), logits, -mx.inf)

    def _endless(self, logits: mx.array) -> mx.array:
        places = mx.arange(logits.shape[-1])
        for token in self._end_tokens:
            logits = mx.where(places == token, -mx.inf, logits)
        return logits

    def _allows(self, token: int) -> bool:
        return bool(self._bits[0, token // 32] >> (token % 32) & 1)


def _check_size(grammar: Grammar) -> None:
    limit = _MAX_REGEX_CHARACTERS if grammar.kind == "regex" else _MAX_CHARACTERS
    if len(grammar.text) > limit:
        raise InvalidRequest(
            f"The {_NAMES[grammar.kind]} has {len(grammar.text)} characters; {limit} are allowed.",
            hint="Make it shorter.",
        )


def _source(grammar: Grammar) -> str:
    """The grammar as llguidance reads it, always Lark in the end."""
    match grammar.kind:
        case "json_object":
            body = f"start: %json {_schema(_ANY_OBJECT)}"
        case "json_schema":
            try:
                body = f"start: %json {_schema(grammar.text)}"
            except ValueError as error:
                raise _refusal(grammar, str(error)) from error
        case "regex":
            made = json.loads(LLMatcher.grammar_from_regex(grammar.text))
            body = made["grammars"][0]["lark_grammar"]
        case "lark":
            body = grammar.text
    return LLMatcher.grammar_from_lark(f"{body}\n{_FREE_TOKENS}")


def _schema(text: str) -> str:
    """The schema with our options in it. Raises ValueError where it is not a JSON object."""
    made = json.loads(LLMatcher.grammar_from_json_schema(text, overrides=_JSON))
    return json.dumps(made["grammars"][0]["json_schema"])


def _rehearse(matcher: LLMatcher, grammar: Grammar, tokens: LLTokenizer) -> None:
    """Writes the beginning of an answer: some grammars only then show that they are too large."""
    bits = llguidance.numpy.allocate_token_bitmask(1, tokens.vocab_size)
    for _ in range(_REHEARSED_TOKENS):
        llguidance.numpy.fill_next_token_bitmask(matcher, bits)
        if matcher.is_error():
            raise _refusal(grammar, matcher.get_error())
        allowed = np.unpackbits(bits.view(np.uint8)[0], bitorder="little")
        allowed[tokens.eos_tokens] = 0
        if matcher.is_stopped() or not allowed.any():
            return
        matcher.consume_token(int(allowed.argmax()))


def _refusal(grammar: Grammar, error: str) -> InvalidRequest:
    name = _NAMES[grammar.kind]
    unknown = _UNKNOWN_KEYWORDS.search(error)
    if unknown is not None:
        keywords: list[str] = json.loads(unknown[1])
        is_schema = grammar.kind == "json_schema"
        places = [*_places(json.loads(grammar.text), keywords)] if is_schema else []
        return InvalidRequest(
            f"The {name} uses what cannot be enforced: {_short(', '.join(places or keywords))}.",
            hint="Leave it away and check the answer yourself, or say the same in other words.",
            details={"keywords": ", ".join(keywords)},
        )
    error = error.removeprefix("at 1(8): failed to compile JSON schema: ")
    if error.startswith("oneOf"):
        return InvalidRequest(
            f"The {name} uses oneOf where two branches may match, which cannot be enforced.",
            hint="Write anyOf instead, or give each branch a property with another const.",
            details={"keywords": "oneOf"},
        )
    if error.startswith("Expecting object"):
        error = "it is not a JSON object"
    if grammar.kind == "regex":
        # What goes before names a place in a grammar that was made around it.
        error = error[max(error.find("regex parse error"), 0) :]
    return InvalidRequest(
        f"The {name} cannot be enforced: {_reason(error)}", hint="Correct or simplify it."
    )


def _places(node: Any, keywords: Collection[str], place: str = "#") -> Iterator[str]:
    """Where in a schema the keywords stand, as paths from its root."""
    if isinstance(node, list):
        for index, member in enumerate(node):
            yield from _places(member, keywords, f"{place}/{index}")
    if not isinstance(node, dict):
        return
    for key, value in node.items():
        here = f"{place}/{key}"
        if key in keywords:
            yield here
        elif key in _MAPS_OF_SCHEMAS and isinstance(value, dict):
            for name, schema in value.items():
                yield from _places(schema, keywords, f"{here}/{name}")
        elif key not in _VALUES:
            yield from _places(value, keywords, here)


def _reason(error: str) -> str:
    """What llguidance says in several lines and pictures, in one sentence."""
    if error.startswith("NoExtension"):
        return "nothing matches it."
    first, *more = [line.strip() for line in error.splitlines() if line.strip()]
    causes = [line.removeprefix("error: ") for line in more if line.startswith("error: ")]
    return _short(" ".join([first, *causes]).rstrip(".")) + "."


def _short(text: str) -> str:
    cut = len(text) > _REASON_CHARACTERS
    return f"{text[:_REASON_CHARACTERS]}…" if cut else text
