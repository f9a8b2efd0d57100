"""The tokenizer of a GGUF file, as the library that every engine uses has it.

GGUF has tokens, merges and the name of how texts are cut before they are merged; the cuts are those
of the models that the names come from. What SentencePiece has made is in `gguf_sentencepiece`.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from tokenizers import (
    AddedToken,
    Regex,
    Tokenizer,
    decoders,
    models,
    normalizers,
    pre_tokenizers,
    processors,
)

from mlx_gui.core.errors import ModelUnsupported
from mlx_gui.engines.convert.gguf_header import GgufHeader
from mlx_gui.engines.convert.gguf_sentencepiece import begins_with_space, sentencepiece_of
from mlx_gui.engines.convert.gguf_vocabulary import (
    CONTROL,
    UNKNOWN,
    USER_DEFINED,
    Vocabulary,
)

_BYTE_LEVEL, _SENTENCEPIECE = "gpt2", "llama"
_BYTE_LEVEL_ONLY = ("qwen2",)
"""The architectures for which transformers takes a byte-level tokenizer, whatever is beside it."""
_WORDS = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{{L}}\p{{N}}]?\p{{L}}+|{digits}"
    r"| ?[^\s\p{{L}}\p{{N}}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
)
_CASED_WORDS = (
    r"[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+"
    r"|[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*"
    r"|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+"
)


@dataclass(frozen=True, slots=True)
class _Cut:
    """How a text is cut: by `words`, or else as GPT-2 does.

    `digits_alone` cuts each digit off first. `composed` joins letters and their accents before
    anything else. `whole` takes a word that is a token as it is, whatever its merges. `bos` begins
    a text where the file does not say whether it does.
    """

    words: str | None = None
    digits_alone: bool = False
    composed: bool = False
    whole: bool = False
    bos: bool = False


_LLAMA_3 = _Cut(_WORDS.format(digits=r"\p{N}{1,3}"), whole=True, bos=True)
_CUTS: Mapping[str, _Cut] = {
    "gpt-2": _Cut(),
    "smollm": _Cut(digits_alone=True),
    "llama-bpe": _LLAMA_3,
    "llama3": _LLAMA_3,
    "llama-v3": _LLAMA_3,
    "dbrx": _Cut(_WORDS.format(digits=r"\p{N}{1,3}")),
    "qwen2": _Cut(_WORDS.format(digits=r"\p{N}"), composed=True),
    "deepseek-r1-qwen": _Cut(_WORDS.format(digits=r"\p{N}")),
    "tekken": _Cut(_CASED_WORDS, whole=True, bos=True),
}
"""By the names that GGUF has for them."""


def check_tokenizer(header: GgufHeader) -> None:
    """Raises ModelUnsupported for a tokenizer that cannot be taken over."""
    model, cut = (header.metadata.get(f"tokenizer.ggml.{name}") for name in ("model", "pre"))
    if model != _SENTENCEPIECE and (model != _BYTE_LEVEL or str(cut) not in _CUTS):
        raise ModelUnsupported(
            f"The tokenizer of this GGUF file ({model}, {cut}) cannot be read yet.",
            hint=f"Those of {_SENTENCEPIECE} can, and of {_BYTE_LEVEL} with {', '.join(_CUTS)}.",
        )
    architecture = header.metadata.get("general.architecture")
    if model == _SENTENCEPIECE and architecture in _BYTE_LEVEL_ONLY:
        raise ModelUnsupported(
            f"A {architecture} with a tokenizer of SentencePiece cannot be read yet.",
            hint=f"Those with one of {_BYTE_LEVEL} can.",
        )


def tokenizer_of(vocabulary: Vocabulary) -> Tokenizer:
    """The tokenizer, which `check_tokenizer` has passed. Raises NotServable for what it lacks."""
    metadata = vocabulary.header.metadata
    if metadata["tokenizer.ggml.model"] == _SENTENCEPIECE:
        tokenizer, bos = sentencepiece_of(vocabulary), True
        normalized = not begins_with_space(vocabulary)
    else:
        cut = _CUTS[str(metadata["tokenizer.ggml.pre"])]
        tokenizer, bos = _byte_level(vocabulary, cut), cut.bos
        normalized = False
    _add_tokens(tokenizer, vocabulary, normalized=normalized)
    _add_borders(tokenizer, vocabulary, bos=bos)
    return tokenizer


def _byte_level(vocabulary: Vocabulary, cut: _Cut) -> Any:
    ids = {token: index for index, token in enumerate(vocabulary.tokens)}
    tokenizer: Any = Tokenizer(
        models.BPE(vocab=ids, merges=vocabulary.merges(), ignore_merges=cut.whole)
    )
    if cut.composed:
        tokenizer.normalizer = normalizers.NFC()
    cuts: list[Any] = []
    if cut.digits_alone:
        cuts.append(pre_tokenizers.Digits(individual_digits=True))
    if cut.words is not None:
        cuts.append(pre_tokenizers.Split(Regex(cut.words), behavior="isolated"))
    cuts.append(pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=cut.words is None))
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(cuts)
    tokenizer.decoder = decoders.ByteLevel()
    return tokenizer


def _add_tokens(tokenizer: Any, vocabulary: Vocabulary, *, normalized: bool) -> None:
    """Those that a text is searched for before it is cut; only control tokens are not text.

    `normalized` says that those of a user are looked for when spaces have become what they are in
    tokens.
    """
    tokenizer.add_tokens(
        [
            AddedToken(token, special=True, normalized=False)
            for token in vocabulary.of_type(CONTROL, UNKNOWN)
        ]
    )
    tokenizer.add_tokens(
        [
            AddedToken(token, special=False, normalized=normalized)
            for token in vocabulary.of_type(USER_DEFINED)
        ]
    )


def _add_borders(tokenizer: Any, vocabulary: Vocabulary, *, bos: bool) -> None:
    """Let every text begin and end with what the file says that it does."""
    borders = {
        name: vocabulary.special[name]
        for name, otherwise in (("bos", bos), ("eos", False))
        if vocabulary.flag(f"add_{name}_token", otherwise=otherwise) and name in vocabulary.special
    }
    if not borders:
        return
    template = [
        *(["bos"] if "bos" in borders else []),
        "$A",
        *(["eos"] if "eos" in borders else []),
    ]
    tokenizer.post_processor = processors.TemplateProcessing(
        single=template,
        special_tokens=[
            {"id": name, "ids": [index], "tokens": [vocabulary.tokens[index]]}
            for name, index in borders.items()
        ],
    )
