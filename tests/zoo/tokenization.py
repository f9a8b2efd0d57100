"""Small tokenizers with each family's real scheme and special tokens."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from itertools import pairwise

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

from tests.zoo.corpus import tokenizer_lines

_LETTERS_THEN_DIGITS = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{{L}}\p{{N}}]?\p{{L}}+|{digits}"
    r"| ?[^\s\p{{L}}\p{{N}}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
)
SINGLE_DIGITS = _LETTERS_THEN_DIGITS.format(digits=r"\p{N}")
DIGIT_TRIPLES = _LETTERS_THEN_DIGITS.format(digits=r"\p{N}{1,3}")
CASED_WORDS = (
    r"[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+"
    r"|[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*"
    r"|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+"
)

_PIECES = 576
_VOCABULARY_MULTIPLE = 64
_SPACE = "▁"


def byte_level(
    word_pattern: str,
    *,
    first_specials: Sequence[str] = (),
    last_specials: Sequence[str] = (),
    last_plain: Sequence[str] = (),
    bos: str | None = None,
    nfc: bool = False,
) -> Tokenizer:
    """GPT-2 style byte-level BPE; ids in the order of the arguments, pieces after the first.

    `last_plain` tokens are added tokens that decoding does not skip. `bos` starts every text.
    """
    pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(word_pattern), "isolated"),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        ]
    )
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    pieces, merges = _learn_merges(_count_words(pre_tokenizer), alphabet)
    taken = len(first_specials) + len(pieces) + len(last_specials) + len(last_plain)
    last_specials = [*last_specials, *_padding("<|reserved_special_token_{}|>", taken)]

    vocabulary = _number([*first_specials, *pieces, *last_specials, *last_plain])
    tokenizer = Tokenizer(models.BPE(vocab=vocabulary, merges=merges))
    if nfc:
        tokenizer.normalizer = normalizers.NFC()
    tokenizer.pre_tokenizer = pre_tokenizer
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.post_processor = (
        _prepend(bos, vocabulary[bos]) if bos else processors.ByteLevel(trim_offsets=False)
    )
    _add(tokenizer, [*first_specials, *last_specials], special=True)
    _add(tokenizer, last_plain, special=False)
    return tokenizer


def byte_fallback(
    *, first_specials: Sequence[str], last_specials: Sequence[str], bos: str, unknown: str
) -> Tokenizer:
    """SentencePiece style BPE: spaces as U+2581, unknown characters as `<0x..>` bytes.

    Ids in the order first specials, 256 bytes, pieces, padding, last specials.
    """
    normalizer = normalizers.Replace(" ", _SPACE)
    words = _count_words(
        pre_tokenizers.Split(Regex(rf"{_SPACE}?[^\s{_SPACE}]+|\s|{_SPACE}"), "isolated"),
        normalizer,
    )
    pieces, merges = _learn_merges(words, sorted({letter for word in words for letter in word}))
    fallback_bytes = [f"<0x{byte:02X}>" for byte in range(256)]
    taken = len(first_specials) + len(fallback_bytes) + len(pieces) + len(last_specials)
    padding = _padding("<unused{}>", taken)

    vocabulary = _number([*first_specials, *fallback_bytes, *pieces, *padding, *last_specials])
    tokenizer = Tokenizer(
        models.BPE(
            vocab=vocabulary, merges=merges, unk_token=unknown, fuse_unk=True, byte_fallback=True
        )
    )
    tokenizer.normalizer = normalizer
    tokenizer.pre_tokenizer = pre_tokenizers.Split(" ", "merged_with_previous")
    tokenizer.decoder = decoders.Sequence(
        [decoders.Replace(_SPACE, " "), decoders.ByteFallback(), decoders.Fuse()]
    )
    tokenizer.post_processor = _prepend(bos, vocabulary[bos])
    _add(tokenizer, [*first_specials, *last_specials], special=True)
    return tokenizer


def _count_words(
    pre_tokenizer: pre_tokenizers.PreTokenizer, normalizer: normalizers.Normalizer | None = None
) -> Counter[str]:
    words: Counter[str] = Counter()
    for line in tokenizer_lines():
        text = normalizer.normalize_str(line) if normalizer else line
        words.update(word for word, _ in pre_tokenizer.pre_tokenize_str(text))
    return words


def _learn_merges(
    words: Counter[str], alphabet: Sequence[str]
) -> tuple[list[str], list[tuple[str, str]]]:
    """Pieces and merges of byte-pair encoding, at most `_PIECES`.

    The library's own trainer breaks ties by hash order, so two runs of it differ.
    """
    pieces = dict.fromkeys(alphabet)
    merges: list[tuple[str, str]] = []
    splits = [(list(word), count) for word, count in sorted(words.items())]
    pairs: Counter[tuple[str, str]] = Counter()
    places: defaultdict[tuple[str, str], set[int]] = defaultdict(set)
    for place, (split, count) in enumerate(splits):
        for pair in pairwise(split):
            pairs[pair] += count
            places[pair].add(place)
    while len(pieces) < _PIECES:
        best = min(pairs, key=lambda pair: (-pairs[pair], pair))
        if pairs[best] < 2:
            break
        pieces["".join(best)] = None
        merges.append(best)
        # Words without it stay as they are, and so does what is counted of them.
        for place in places.pop(best):
            split, count = splits[place]
            merged = _merge(split, best)
            for pair in pairwise(split):
                pairs[pair] -= count
            for pair in pairwise(merged):
                pairs[pair] += count
                places[pair].add(place)
            splits[place] = merged, count
    return list(pieces), merges


def _merge(split: list[str], pair: tuple[str, str]) -> list[str]:
    merged: list[str] = []
    for piece in split:
        if merged and (merged[-1], piece) == pair:
            merged[-1] += piece
        else:
            merged.append(piece)
    return merged


def _padding(name: str, taken: int) -> list[str]:
    """Reserved tokens up to the next multiple of 64.

    Random weights sample every id, and the streaming detokenizers know only those with a token.
    """
    return [name.format(index) for index in range(-taken % _VOCABULARY_MULTIPLE)]


def _number(tokens: Iterable[str]) -> dict[str, int]:
    return {token: index for index, token in enumerate(tokens)}


def _prepend(bos: str, bos_id: int) -> processors.TemplateProcessing:
    return processors.TemplateProcessing(
        single=[bos, "$A"], pair=[bos, "$A", f"{bos}:1", "$B:1"], special_tokens=[(bos, bos_id)]
    )


def _add(tokenizer: Tokenizer, tokens: Sequence[str], *, special: bool) -> None:
    added = [AddedToken(token, special=special, normalized=False) for token in tokens]
    if special:
        tokenizer.add_special_tokens(added)
    else:
        tokenizer.add_tokens(added)
