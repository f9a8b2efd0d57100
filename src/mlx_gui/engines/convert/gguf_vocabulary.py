"""What a GGUF file says of its tokens, checked: each is there once, and of a type that is known."""

from dataclasses import dataclass
from typing import Any

from mlx_gui.core.errors import NotServable
from mlx_gui.engines.convert.gguf_header import GgufHeader, needed

NORMAL, UNKNOWN, CONTROL, USER_DEFINED, UNUSED, BYTE = range(1, 7)
_TYPES = range(NORMAL, BYTE + 1)
_SPECIAL_NAMES = {"bos": "bos", "eos": "eos", "pad": "padding", "unk": "unknown"}


@dataclass(frozen=True, slots=True)
class Vocabulary:
    """The tokens by their ids, and the type of each.

    `special` has the ids of what the file names `bos`, `eos`, `pad` and `unk`.
    """

    header: GgufHeader
    tokens: list[str]
    types: list[int]
    special: dict[str, int]

    def of_type(self, *types: int) -> list[str]:
        return [token for token, kind in zip(self.tokens, self.types, strict=True) if kind in types]

    def merges(self) -> list[tuple[str, str]]:
        """Raises NotServable for one that joins, or makes, what is no token."""
        known = frozenset(self.tokens)
        merges: list[tuple[str, str]] = []
        for merge in listed(self.header, "merges", str):
            left, _, right = merge.partition(" ")
            if not {left, right, left + right} <= known:
                raise _broken(f"a merge of what are no tokens, {merge[:40]!r}")
            merges.append((left, right))
        return merges


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
    return Vocabulary(header, tokens, types, special)


def listed(header: GgufHeader, name: str, kind: type) -> list[Any]:
    """The list under `tokenizer.ggml.`. Raises NotServable unless it is one, of that kind."""
    value = needed(header, f"tokenizer.ggml.{name}")
    if not isinstance(value, list) or not all(isinstance(item, kind) for item in value):
        raise _broken(f"{name} that are no list of what they should be")
    return value


def _special_id(header: GgufHeader, key: str, tokens: int) -> int | None:
    value = header.metadata.get(f"tokenizer.ggml.{key}_token_id")
    if value is not None and (not isinstance(value, int) or not 0 <= value < tokens):
        raise _broken(f"{tokens} tokens, and {str(value)[:40]} as the {key} token")
    return value


def _broken(what: str) -> NotServable:
    return NotServable(
        f"The GGUF file has {what}.", hint="Fetch the file again; it may be damaged."
    )
