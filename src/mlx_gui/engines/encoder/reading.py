"""Makes tokens of texts, on the preparation thread: checked, and cut where that is wanted."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from tokenizers import Encoding, Tokenizer

from mlx_gui.core.errors import ContextTooLong, InvalidRequest
from mlx_gui.engines.base import StillWanted
from mlx_gui.engines.encoder.batches import Item
from mlx_gui.engines.text.lengths import tokens_if_too_long

_TOGETHER = 256
"""Texts that are tokenised between two looks at whether anybody still waits for them."""

_CHARACTERS_A_TOKEN = 32
"""Of a text that is cut anyway no more than this for each token that stays is looked at."""

_SHOWN_CUTS = 20
_QUERY, _DOCUMENTS = "query", "documents"


@dataclass(slots=True)
class Reader:
    """Reads texts for one model. `longest_tokens` is of one input, `param` the field they came in.

    `cuts` says in words what was left out so far.
    """

    tokenizer: Tokenizer
    vocabulary: int
    longest_tokens: int
    truncate: bool
    param: str
    cuts: list[str]

    def texts(
        self,
        texts: Sequence[str],
        still_wanted: StillWanted,
        *,
        numbers: Sequence[int] | None = None,
    ) -> Iterator[Item]:
        """Their tokens in order; `numbers` are those of the inputs, where there are others too.

        Raises as `still_wanted` does, and InvalidRequest.
        """
        for group in _groups(texts, numbers or range(len(texts))):
            still_wanted()
            short = [self._known_too_long(text) is None for _, text in group]
            whole = iter(
                self.tokenizer.encode_batch_fast(
                    [text for (_, text), each in zip(group, short, strict=True) if each]
                )
            )
            for (number, text), is_short in zip(group, short, strict=True):
                encoding = next(whole) if is_short else None
                if encoding is None or len(encoding) > self.longest_tokens:
                    encoding = self._cut(number, text, encoding)
                yield self._item(number, encoding.ids)

    def pairs(self, query: str, texts: Sequence[str], still_wanted: StillWanted) -> Iterator[Item]:
        """The tokens of `query` with each of `texts`. Raises as `texts` does."""
        if self._known_too_long(query) is not None:
            raise self.query_too_long(self._known_too_long(query) or 0)
        for group in _groups(texts, range(len(texts))):
            still_wanted()
            short = [self._known_too_long(text) is None for _, text in group]
            whole = iter(
                self.tokenizer.encode_batch(
                    [(query, text) for (_, text), each in zip(group, short, strict=True) if each]
                )
            )
            for (number, text), is_short in zip(group, short, strict=True):
                encoding = next(whole) if is_short else None
                if encoding is None or len(encoding) > self.longest_tokens:
                    encoding = self._cut(number, text, encoding, query=query)
                yield self._item(number, encoding.ids, encoding.type_ids)

    def ids(self, number: int, ids: Sequence[int]) -> Item:
        """Token ids as they were sent. Raises InvalidRequest and ContextTooLong."""
        unknown = next((each for each in ids if not 0 <= each < self.vocabulary), None)
        if unknown is not None:
            raise InvalidRequest(
                f"The model has no token {unknown}, which input {number} has; its ids go to "
                f"{self.vocabulary - 1}.",
                hint="Token ids are those of this model's own tokenizer. Send texts instead.",
                param=self.param,
            )
        if len(ids) > self.longest_tokens:
            self._leave_out(number, len(ids))
        return self._item(number, ids[: self.longest_tokens])

    def query_too_long(self, tokens: int, *, with_: str = "") -> ContextTooLong:
        """The refusal of a query, of which nothing is ever left out."""
        return ContextTooLong(
            f"The query{with_} has {tokens} tokens, the model reads {self.longest_tokens}.",
            hint="Send a shorter one.",
            param=_QUERY,
        )

    def _too_long(self, number: int, tokens: int) -> ContextTooLong:
        if self.param == _QUERY:
            return self.query_too_long(tokens)
        return ContextTooLong(
            f"{self._named(number)} has {tokens} tokens, the model reads {self.longest_tokens}.",
            hint="Cut the text into shorter ones, or have its end left out: `truncate`.",
            param=self.param,
        )

    def _named(self, number: int) -> str:
        return f"{'Document' if self.param == _DOCUMENTS else 'Input'} {number}"

    def _item(self, number: int, ids: Sequence[int], types: Sequence[int] | None = None) -> Item:
        if not ids:
            raise InvalidRequest(
                f"{self._named(number)} has no tokens.",
                hint="Send a text with words.",
                param=self.param,
            )
        highest = max(ids)
        if highest >= self.vocabulary:
            raise InvalidRequest(
                f"The tokenizer makes the token {highest} of input {number}; the model lacks it.",
                hint="The model's files do not fit together; install it again.",
                param=self.param,
            )
        kinds = None if types is None else np.array(types, dtype=np.int32)
        return Item(number, np.array(ids, dtype=np.int32), kinds)

    def _known_too_long(self, text: str) -> int | None:
        return tokens_if_too_long(
            text, self.longest_tokens, encode=lambda part: self.tokenizer.encode(part).ids
        )

    def _cut(
        self, number: int, text: str, encoding: Encoding | None, *, query: str | None = None
    ) -> Encoding:
        """As much of the text as the model reads, with the tokens that stand around it."""
        tokens = (self._known_too_long(text) or 0) if encoding is None else len(encoding)
        self._leave_out(number, tokens)
        part = self.tokenizer.encode(
            text[: self.longest_tokens * _CHARACTERS_A_TOKEN], add_special_tokens=False
        )
        around: Any = self.tokenizer.num_special_tokens_to_add(query is not None)
        room = self.longest_tokens - around
        if query is None:
            part.truncate(max(room, 1))
            return self.tokenizer.post_process(part)
        asked = self.tokenizer.encode(query, add_special_tokens=False)
        if len(asked) >= room:
            raise self.query_too_long(len(asked) + around)
        part.truncate(room - len(asked))
        return self.tokenizer.post_process(asked, part)

    def _leave_out(self, number: int, tokens: int) -> None:
        """Note what is cut. Raises ContextTooLong where nothing is to be."""
        if not self.truncate:
            raise self._too_long(number, tokens)
        if len(self.cuts) < _SHOWN_CUTS:
            self.cuts.append(f"{tokens - self.longest_tokens} tokens of {self.param} {number}")


def _groups(texts: Sequence[str], numbers: Sequence[int]) -> Iterator[list[tuple[int, str]]]:
    numbered = list(zip(numbers, texts, strict=True))
    for start in range(0, len(numbered), _TOGETHER):
        yield numbered[start : start + _TOGETHER]
