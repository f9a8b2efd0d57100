"""A BPE vocabulary of SentencePiece, as the library that every engine uses has it.

SentencePiece joins the two neighbours whose whole has the highest score. The library wants the
pairs in the order of their joining, so all ways to split a token into two are listed by its score.
"""

from typing import Any

from tokenizers import Tokenizer, decoders, models, normalizers

from mlx_gui.core.errors import NotServable
from mlx_gui.engines.convert.gguf_vocabulary import (
    BYTE,
    NORMAL,
    UNKNOWN,
    Vocabulary,
)

_SPACE = "▁"
_MOST_CHARACTERS = 1000
"""No model has so long a token; the ways to split one grow with the square of it."""


def sentencepiece_of(vocabulary: Vocabulary) -> Any:
    """The tokenizer without its added tokens. Raises NotServable."""
    prefixed = begins_with_space(vocabulary)
    unknown = vocabulary.of_type(UNKNOWN)
    tokenizer: Any = Tokenizer(
        models.BPE(
            vocab={token: index for index, token in enumerate(vocabulary.tokens)},
            merges=_merges(vocabulary),
            unk_token=unknown[0] if unknown else None,
            fuse_unk=True,
            byte_fallback=_has_all_bytes(vocabulary),
        )
    )
    spaces = normalizers.Replace(" ", _SPACE)
    tokenizer.normalizer = (
        normalizers.Sequence([normalizers.Prepend(_SPACE), spaces]) if prefixed else spaces
    )
    steps: list[Any] = [decoders.Replace(_SPACE, " "), decoders.ByteFallback(), decoders.Fuse()]
    if prefixed:
        steps.append(decoders.Strip(content=" ", left=1))
    tokenizer.decoder = decoders.Sequence(steps)
    return tokenizer


def begins_with_space(vocabulary: Vocabulary) -> bool:
    """Whether a text is read as if a space stood before it."""
    return vocabulary.flag("add_space_prefix", otherwise=True)


def _merges(vocabulary: Vocabulary) -> list[tuple[str, str]]:
    scores = {
        token: score
        for token, kind, score in zip(
            vocabulary.tokens, vocabulary.types, vocabulary.scores(), strict=True
        )
        if kind == NORMAL
    }
    merges: list[tuple[float, int, str, str]] = []
    for token, score in scores.items():
        if len(token) > _MOST_CHARACTERS:
            raise NotServable(
                f"The GGUF file has a token of {len(token)} characters.",
                hint="Fetch the file again; it may be damaged.",
            )
        for middle in range(1, len(token)):
            left, right = token[:middle], token[middle:]
            if left in scores and right in scores:
                merges.append((-score, middle, left, right))
    return [(left, right) for *_, left, right in sorted(merges)]


def _has_all_bytes(vocabulary: Vocabulary) -> bool:
    return {f"<0x{byte:02X}>" for byte in range(256)} <= set(vocabulary.of_type(BYTE))
