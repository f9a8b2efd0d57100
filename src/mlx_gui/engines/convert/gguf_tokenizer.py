"""The tokenizer of a GGUF file, as the library that every engine uses has it.

GGUF has tokens, merges and the name of how texts are cut before they are merged; the cuts are those
of the models that the names come from.
"""

from collections.abc import Mapping
from typing import Any

from tokenizers import (
    AddedToken,
    Regex,
    Tokenizer,
    decoders,
    models,
    normalizers,
    pre_tokenizers,
)

from mlx_gui.core.errors import ModelUnsupported
from mlx_gui.engines.convert.gguf_header import GgufHeader, needed

_CONTROL_TOKEN = 3
_WORDS = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{{L}}\p{{N}}]?\p{{L}}+|{digits}"
    r"| ?[^\s\p{{L}}\p{{N}}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
)
_CUTS: Mapping[str, str | None] = {
    "smollm": None,
    "llama-bpe": _WORDS.format(digits=r"\p{N}{1,3}"),
    "qwen2": _WORDS.format(digits=r"\p{N}"),
}
"""By the names that GGUF has for them; without an expression, as GPT-2 with each digit alone."""
_NORMALIZED = ("qwen2",)
"""Those that compose letters and their accents first."""


def check_tokenizer(header: GgufHeader) -> None:
    """Raises ModelUnsupported for a tokenizer that cannot be taken over."""
    found = tuple(header.metadata.get(f"tokenizer.ggml.{name}") for name in ("model", "pre"))
    if found[0] != "gpt2" or found[1] not in _CUTS:
        raise ModelUnsupported(
            f"The tokenizer of this GGUF file ({found[0]}, {found[1]}) cannot be read yet.",
            hint=f"Those of gpt2 with {', '.join(_CUTS)} can.",
        )


def tokenizer_of(header: GgufHeader) -> Tokenizer:
    """The tokenizer, which `check_tokenizer` has passed. Raises LoadFailed for what it lacks."""
    tokens = needed(header, "tokenizer.ggml.tokens")
    merges = [tuple(merge.split(" ")) for merge in needed(header, "tokenizer.ggml.merges")]
    vocabulary = {token: index for index, token in enumerate(tokens)}
    tokenizer: Any = Tokenizer(models.BPE(vocab=vocabulary, merges=merges))
    cut = str(header.metadata["tokenizer.ggml.pre"])
    if cut in _NORMALIZED:
        tokenizer.normalizer = normalizers.NFC()
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(_cuts(_CUTS[cut]))
    tokenizer.decoder = decoders.ByteLevel()
    types = needed(header, "tokenizer.ggml.token_type")
    tokenizer.add_special_tokens(
        [
            AddedToken(token, special=True, normalized=False)
            for token, kind in zip(tokens, types, strict=True)
            if kind == _CONTROL_TOKEN
        ]
    )
    return tokenizer


def _cuts(words: str | None) -> list[Any]:
    if words is None:
        return [
            pre_tokenizers.Digits(individual_digits=True),
            pre_tokenizers.ByteLevel(add_prefix_space=False),
        ]
    return [
        pre_tokenizers.Split(Regex(words), behavior="isolated"),
        pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
    ]
