"""The chances of a prompt's own tokens, which evaluation harnesses compare."""

import codecs
from collections.abc import Sequence
from typing import Any

import mlx.core as mx
import msgspec

from mlx_gui.core.generation import TokenLogprob
from mlx_gui.engines.text.logprobs import LogprobReader
from mlx_gui.engines.text.mlx_lm import TokenizerWrapper
from mlx_gui.engines.text.token_bytes import TokenBytes


class PromptScorer:
    """See `decoding.Scorer`. The tokens of `ids` begin at `offsets` in the text, in characters."""

    def __init__(
        self,
        reader: LogprobReader,
        ids: Sequence[int],
        *,
        offsets: Sequence[int],
        top: int,
        chunk_tokens: int,
    ) -> None:
        self.chunk_tokens = chunk_tokens
        self._reader = reader
        self._ids = ids
        self._offsets = offsets
        self._top = top
        self._scored = 1
        self._untold = [reader.first(ids[0])]

    def take(self, logits: mx.array) -> None:
        following = self._ids[self._scored : self._scored + logits.shape[0]]
        places = self._offsets[self._scored :]
        self._scored += len(following)
        self._untold += [
            msgspec.structs.replace(chance, offset=offset)
            for chance, offset in zip(
                self._reader.read_prompt(logits, following, self._top), places, strict=False
            )
        ]

    def told(self) -> tuple[TokenLogprob, ...]:
        """What was scored since this was asked last; the first token, which has no chance, too."""
        told, self._untold = tuple(self._untold), []
        return told


def offsets_in_text(
    tokenizer: TokenizerWrapper, text: str, ids: Sequence[int], *, special: bool
) -> list[int] | None:
    """Where each token of a text that was encoded begins in it; None where nobody can tell.

    What was added with `special`, and is not in the text, begins where the next token does.
    """
    inner: Any = tokenizer._tokenizer
    if not getattr(inner, "is_fast", False):
        return None
    encoded = inner(text, add_special_tokens=special, return_offsets_mapping=True)
    if list(encoded["input_ids"]) != list(ids):
        return None
    # Tokens that were added have an empty place at the beginning.
    highest = 0
    offsets: list[int] = []
    for start, end in encoded["offset_mapping"]:
        if end > start:
            highest = max(highest, start)
        offsets.append(highest)
    return offsets


def offsets_by_bytes(token_bytes: TokenBytes, text: str, ids: Sequence[int]) -> list[int]:
    """Where each token begins in the `text` of `ids`, in characters; those cut apart begin once.

    Tokenizers that mark the beginning of words write one space more than their text has.
    """
    decoder = codecs.getincrementaldecoder("utf-8")(errors="replace")
    pieces = [decoder.decode(token_bytes(id)) for id in ids]
    missing = int("".join(pieces).startswith(" ") and not text.startswith(" "))
    offsets: list[int] = []
    written = -missing
    for piece in pieces:
        offsets.append(min(max(written, 0), len(text)))
        written += len(piece)
    return offsets
