"""A tokenizer with all tokens that a Whisper of 99 languages has, at their own numbers."""

from mlx_audio.stt.models.whisper.tokenizer import LANGUAGES
from tokenizers import AddedToken, Tokenizer
from tokenizers.decoders import ByteLevel as ByteLevelDecoder
from tokenizers.models import BPE
from tokenizers.pre_tokenizers import ByteLevel

SIZE = 51_865
_PLAIN, _LANGUAGES, _TIMES = 50_257, 99, 1501
_TASKS = ("translate", "transcribe", "startoflm", "startofprev", "nocaptions", "notimestamps")


def tokenizer_of(texts: list[str]) -> Tokenizer:
    """One in which words of `texts` are few tokens; most others are there for their number."""
    splits = ByteLevel(add_prefix_space=False)
    vocabulary = {letter: at for at, letter in enumerate(sorted(ByteLevel.alphabet()))}
    merges: list[tuple[str, str]] = []
    for text in texts:
        for word, _ in splits.pre_tokenize_str(text):
            token = word[0]
            for letter in word[1:]:
                if token + letter not in vocabulary:
                    vocabulary[token + letter] = len(vocabulary)
                    merges.append((token, letter))
                token += letter
    vocabulary |= {f"unused{at}": at for at in range(len(vocabulary), _PLAIN)}
    made = Tokenizer(BPE(vocabulary, merges))
    made.pre_tokenizer = splits
    made.decoder = ByteLevelDecoder()
    languages = list(LANGUAGES)[:_LANGUAGES]
    special = ["endoftext", "startoftranscript", *languages, *_TASKS]
    made.add_special_tokens([AddedToken(f"<|{each}|>", special=True) for each in special])
    times = [f"<|{each * 0.02:.2f}|>" for each in range(_TIMES)]
    made.add_tokens([AddedToken(each, special=False, normalized=False) for each in times])
    assert made.get_vocab_size() == SIZE
    return made
