"""What a GGUF file says of its tokens, checked: each is there once, and of a type that is known."""

import math
from dataclasses import dataclass
from typing import Any

from mlx_gui.core.errors import NotServable
from mlx_gui.engines.convert.gguf_header import GgufHeader, needed

NORMAL, UNKNOWN, CONTROL, USER_DEFINED, UNUSED, BYTE = range(1, 7)
_TYPES = range(NORMAL, BYTE + 1)
_SPECIAL_NAMES = {"bos": "bos", "eos": "eos", "pad": "padding", "unk": "unknown"}
_ENDS = ("eos", "eot", "eom")
_END_TOKENS = frozenset(
    {"<|eot_id|>", "<|eom_id|>", "<|im_end|>", "<|end|>", "<end_of_turn>", "<|endoftext|>"}
)
"""Control tokens that end an answer whatever the file says of them: many name one of them only."""


@dataclass(frozen=True, slots=True)
class Vocabulary:
    """The tokens by their ids, and the type of each.

    `special` has the ids of what the file names `bos`, `eos`, `pad` and `unk`; `ends` those that
    end an answer.
    """

    header: GgufHeader
    tokens: list[str]
    types: list[int]
    special: dict[str, int]
    ends: list[int]

    def of_type(self, *types: int) -> list[str]:
        return [token for token, kind in zip(self.tokens, self.types, strict=True) if kind in types]

    def scores(self) -> list[float]:
        """One for each token. Raises NotServable unless all are numbers."""
        scores = listed(self.header, "scores", float)
        if len(scores) != len(self.tokens) or not all(map(math.isfinite, scores)):
            raise _broken(f"{len(self.tokens)} tokens, and scores that are not as many numbers")
        return scores

    def merges(self) -> list[tuple[str, str]]:
        """Raises NotServable for one that joins, or makes, what is no token."""
        known = frozenset(self.tokens)
        merges: list[tuple[str, str]] = []
        for merge in listed(self.header, "merges", str):
            left, _, right = merge.partition(" ")
            if not left or not right or not {left, right, left + right} <= known:
                raise _broken(f"a merge of what are no tokens, {merge[:40]!r}")
            merges.append((left, right))
        return merges

    def flag(self, name: str, *, otherwise: bool) -> bool:
        value = self.header.metadata.get(f"tokenizer.ggml.{name}")
        return value if isinstance(value, bool) else otherwise


def vocabulary_of(header: GgufHeader) -> Vocabulary:
    """Raises NotServable for tokens that are there twice, and for types and ids that are not."""
    tokens = listed(header, "tokens", str)
    types = listed(header, "token_type", int)
    if len(types) != len(tokens) or not set(types) <= set(_TYPES):
        raise _broken(f"{len(tokens)} tokens, and types that are not as many of those known")
    seen: set[str] = set()
    for token in tokens:
        if token in seen:
            raise _broken(f"the token {token[:40]!r} twice")
        seen.add(token)
    special = {
        name: index
        for name, key in _SPECIAL_NAMES.items()
        if (index := _special_id(header, key, len(tokens))) is not None
    }
    named = [_special_id(header, key, len(tokens)) for key in _ENDS]
    known = [
        index
        for index, (token, kind) in enumerate(zip(tokens, types, strict=True))
        if kind == CONTROL and token in _END_TOKENS
    ]
    ends = list(dict.fromkeys([each for each in named if each is not None] + known))
    return Vocabulary(header, tokens, types, special, ends)


def listed(header: GgufHeader, name: str, kind: type) -> list[Any]:
    """The list under `tokenizer.ggml.`. Raises NotServable unless it is one, of that kind."""
    value = needed(header, f"tokenizer.ggml.{name}")
    if not isinstance(value, list) or not all(isinstance(item, kind) for item in value):
        raise _broken(f"{name} that are no list of what they should be")
    return value


def _special_id(header: GgufHeader, key: str, tokens: int) -> int | None:
    value = header.metadata.get(f"tokenizer.ggml.{key}_token_id")
    if value is not None and (type(value) is not int or not 0 <= value < tokens):
        raise _broken(f"{tokens} tokens, and {str(value)[:40]} as the {key} token")
    return value


def _broken(what: str) -> NotServable:
    return NotServable(
        f"The GGUF file has {what}.", hint="Fetch the file again; it may be damaged."
    )
