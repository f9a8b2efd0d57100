"""Small tokenizers with the schemes and special tokens of encoders."""

import math
from collections import Counter

from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers, processors

from tests.zoo.corpus import tokenizer_lines

_WORDS = 400
_VOCABULARY_MULTIPLE = 64


def word_pieces() -> Tokenizer:
    """BERT's: words in small letters, [PAD] 0, [UNK] 100, [CLS] 101, [SEP] 102."""
    first = ["[PAD]", *(f"[unused{number}]" for number in range(99))]
    first += ["[UNK]", "[CLS]", "[SEP]", "[MASK]"]
    normalizer = normalizers.BertNormalizer(lowercase=True)
    splits = pre_tokenizers.BertPreTokenizer()
    words: Counter[str] = Counter()
    for line in tokenizer_lines():
        words.update(word for word, _ in splits.pre_tokenize_str(normalizer.normalize_str(line)))
    letters = sorted({letter for word in words for letter in word})
    pieces = [*letters, *(f"##{letter}" for letter in letters), *_common(words)]
    vocabulary = _numbered([*first, *dict.fromkeys(pieces)])
    tokenizer = Tokenizer(models.WordPiece(vocab=vocabulary, unk_token="[UNK]"))
    tokenizer.normalizer = normalizer
    tokenizer.pre_tokenizer = splits
    tokenizer.decoder = decoders.WordPiece()
    tokenizer.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]",
        pair="[CLS] $A [SEP] $B:1 [SEP]:1",
        special_tokens=[("[CLS]", 101), ("[SEP]", 102)],
    )
    tokenizer.add_special_tokens(["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"])
    # As the files of MiniLM have it: what is asked for must win over it.
    tokenizer.enable_truncation(max_length=16)
    tokenizer.enable_padding(length=16)
    return tokenizer


def unigram() -> Tokenizer:
    """XLM-R's: spaces as U+2581, <s> 0, <pad> 1, </s> 2, <unk> 3."""
    words: Counter[str] = Counter()
    for line in tokenizer_lines():
        words.update("▁" + word for word in line.split())
    letters = Counter(letter for word, count in words.items() for letter in word * count)
    counts = {**{word: words[word] for word in _common(words)}, **letters}
    total = sum(counts.values())
    pieces = [("<s>", 0.0), ("<pad>", 0.0), ("</s>", 0.0), ("<unk>", 0.0)]
    pieces += [(piece, math.log(count / total)) for piece, count in sorted(counts.items())]
    pieces += [(f"<extra{number}>", -50.0) for number in range(-len(pieces) % _VOCABULARY_MULTIPLE)]
    tokenizer = Tokenizer(models.Unigram(pieces, unk_id=3))
    tokenizer.normalizer = normalizers.NFKC()
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace(replacement="▁", prepend_scheme="always")
    tokenizer.decoder = decoders.Metaspace(replacement="▁", prepend_scheme="always")
    tokenizer.post_processor = processors.TemplateProcessing(
        single="<s> $A </s>",
        pair="<s> $A </s> </s> $B </s>",
        special_tokens=[("<s>", 0), ("</s>", 2)],
    )
    tokenizer.add_special_tokens(["<s>", "<pad>", "</s>", "<unk>"])
    return tokenizer


def _common(words: Counter[str]) -> list[str]:
    """The most frequent ones; ties in the order of the letters."""
    return sorted(words, key=lambda word: (-words[word], word))[:_WORDS]


def _numbered(tokens: list[str]) -> dict[str, int]:
    tokens += [f"[extra{number}]" for number in range(-len(tokens) % _VOCABULARY_MULTIPLE)]
    return {token: number for number, token in enumerate(tokens)}
