"""The tokenizers of GGUF files give the ids that the models were trained with.

What SentencePiece makes is made here, by SentencePiece.
"""

import io
import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
import sentencepiece
from sentencepiece import sentencepiece_model_pb2
from tokenizers import Regex, Tokenizer, pre_tokenizers

from mlx_gui.core.errors import ModelUnsupported, NotServable
from mlx_gui.engines.convert.gguf_header import GgufHeader
from mlx_gui.engines.convert.gguf_tokenizer import check_tokenizer, tokenizer_of
from mlx_gui.engines.convert.gguf_vocabulary import Vocabulary, vocabulary_of
from tests.engines.gguf_models import ARCHITECTURES, config_of
from tests.engines.remote import RemoteEngine
from tests.zoo.corpus import tokenizer_lines

NORMAL, CONTROL, USER_DEFINED = 1, 3, 4
TEXT = "I'LL pay 12345 coins\n\n  to HTTPServer's café/naïve…  "
CASED_WORDS = (
    r"[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+"
    r"|[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*"
    r"|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+"
)
"""The pattern in the tekken.json of Mistral's own package."""


def byte_level(cut: str, **changes: Any) -> dict[str, Any]:
    """Metadata of a byte-level vocabulary with the merge of `th`, and three tokens behind it."""
    letters = sorted(pre_tokenizers.ByteLevel.alphabet())
    more = ["th", "the", "<|im_end|>", "<think>", "<|begin|>"]
    return {
        "tokenizer.ggml.model": "gpt2",
        "tokenizer.ggml.pre": cut,
        "tokenizer.ggml.tokens": [*letters, *more],
        "tokenizer.ggml.token_type": [NORMAL] * 258 + [CONTROL, USER_DEFINED, CONTROL],
        "tokenizer.ggml.merges": ["t h"],
        "tokenizer.ggml.bos_token_id": 260,
        "tokenizer.ggml.eos_token_id": 258,
        **{f"tokenizer.ggml.{name}": value for name, value in changes.items()},
    }


def vocabulary(metadata: dict[str, Any]) -> Vocabulary:
    return vocabulary_of(GgufHeader(metadata, ()))


def tokenizer(metadata: dict[str, Any]) -> Tokenizer:
    check_tokenizer(GgufHeader(metadata, ()))
    return tokenizer_of(vocabulary(metadata))


def pieces(cut: str) -> list[str]:
    """What the tokenizer cuts the text into, as text."""
    words = tokenizer(byte_level(cut)).pre_tokenizer.pre_tokenize_str(TEXT)
    return [TEXT[start:end] for _, (start, end) in words]


def split_by(pattern: str) -> list[str]:
    words = pre_tokenizers.Split(Regex(pattern), behavior="isolated").pre_tokenize_str(TEXT)
    return [word for word, _ in words]


def test_gpt2_and_tekken_cut_as_their_own_patterns_do() -> None:
    gpt2 = r"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+"
    assert pieces("gpt-2") == split_by(gpt2)
    assert pieces("tekken") == split_by(CASED_WORDS)


@pytest.mark.parametrize(
    ("cut", "digits"),
    [
        ("gpt-2", ["12345"]),
        ("smollm", ["1", "2", "3", "4", "5"]),
        ("llama-bpe", ["123", "45"]),
        ("dbrx", ["123", "45"]),
        ("qwen2", ["1", "2", "3", "4", "5"]),
        ("deepseek-r1-qwen", ["1", "2", "3", "4", "5"]),
        ("tekken", ["1", "2", "3", "4", "5"]),
    ],
)
def test_digits_are_cut_as_the_model_knows_them(cut: str, digits: list[str]) -> None:
    assert [p.strip() for p in pieces(cut) if any(c.isdigit() for c in p)] == digits


def test_other_names_of_llama_3_are_the_same_cut() -> None:
    assert pieces("llama-bpe") == pieces("llama3") == pieces("llama-v3")


@pytest.mark.parametrize(
    ("cut", "tokens"), [("qwen2", ["th", "e"]), ("llama-bpe", ["the"]), ("tekken", ["the"])]
)
def test_a_word_that_is_a_token_is_taken_whole_where_the_model_does_so(
    cut: str, tokens: list[str]
) -> None:
    assert tokenizer(byte_level(cut)).encode("the", add_special_tokens=False).tokens == tokens


@pytest.mark.parametrize(
    ("cut", "changes", "begins", "ends"),
    [
        ("qwen2", {}, False, False),
        ("qwen2", {"add_bos_token": True}, True, False),
        ("llama-bpe", {}, True, False),
        ("llama-bpe", {"add_bos_token": False}, False, False),
        ("qwen2", {"add_bos_token": True, "add_eos_token": True}, True, True),
        ("gpt-2", {"add_eos_token": True}, False, True),
    ],
)
def test_texts_begin_and_end_as_the_file_says(
    cut: str, changes: dict[str, Any], begins: bool, ends: bool
) -> None:
    found = tokenizer(byte_level(cut, **changes))
    assert (found.encode("hi").ids[0] == 260) == begins
    assert (found.encode("hi").ids[-1] == 258) == ends
    assert len(found.encode("hi", add_special_tokens=False).ids) == 2


def test_added_tokens_are_found_in_a_text_and_only_control_tokens_are_no_text() -> None:
    found = tokenizer(byte_level("qwen2"))
    assert found.encode("<think><|im_end|>").ids == [259, 258]
    assert found.decode([259, 258]) == "<think>"


def test_control_tokens_that_end_an_answer_are_found_where_the_file_names_another() -> None:
    assert vocabulary(byte_level("qwen2", eos_token_id=260)).ends == [260, 258]
    assert vocabulary(byte_level("qwen2")).ends == [258]
    said = byte_level("qwen2", eot_token_id=260, token_type=[NORMAL] * 261)
    assert vocabulary(said).ends == [258, 260]


BROKEN: dict[str, Callable[[dict[str, Any]], Any]] = {
    "a token twice": lambda m: m["tokenizer.ggml.tokens"].append("th"),
    "types for fewer tokens": lambda m: m["tokenizer.ggml.token_type"].pop(),
    "an unknown type": lambda m: m.update({"tokenizer.ggml.token_type": [9] * 261}),
    "types that are words": lambda m: m.update({"tokenizer.ggml.token_type": ["a"] * 261}),
    "tokens that are numbers": lambda m: m.update({"tokenizer.ggml.tokens": [1, 2, 3]}),
    "no tokens": lambda m: m.pop("tokenizer.ggml.tokens"),
    "a merge of no tokens": lambda m: m.update({"tokenizer.ggml.merges": ["quite other"]}),
    "a merge of one": lambda m: m.update({"tokenizer.ggml.merges": ["th"]}),
    "a merge that makes none": lambda m: m.update({"tokenizer.ggml.merges": ["h t"]}),
    "an end outside": lambda m: m.update({"tokenizer.ggml.eos_token_id": 261}),
    "an end that is a word": lambda m: m.update({"tokenizer.ggml.eos_token_id": "</s>"}),
}


@pytest.mark.parametrize("case", BROKEN)
def test_a_broken_vocabulary_is_refused(case: str) -> None:
    metadata = byte_level("qwen2")
    BROKEN[case](metadata)
    with pytest.raises(NotServable, match="The GGUF file"):
        tokenizer(metadata)


def test_a_cut_that_is_not_known_is_refused_by_name() -> None:
    with pytest.raises(ModelUnsupported, match=r"\(gpt2, viking\)"):
        tokenizer(byte_level("viking"))


TEXTS = (
    "What is the capital of France?",
    "  two  spaces, and   three",
    "naïve café, 你好, 🙂\u200d, \u00a0wide\u3000",
    "\n\tdef f(x):\n\t\treturn x + 1\n\n",
    "▁under ▁▁ score",
    "<0x41>",
    "a" * 200 + "====" * 9,
    " ",
    "",
)


def trained(*, prefix: bool, own: Sequence[str] = ()) -> sentencepiece.SentencePieceProcessor:
    """A BPE vocabulary with bytes for what it does not know, and tokens of a user's `own`."""
    model = io.BytesIO()
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter(tokenizer_lines()),
        model_writer=model,
        model_type="bpe",
        vocab_size=700,
        byte_fallback=True,
        add_dummy_prefix=prefix,
        remove_extra_whitespaces=False,
        normalization_rule_name="identity",
        user_defined_symbols=list(own),
        hard_vocab_limit=False,
        minloglevel=2,
    )
    return sentencepiece.SentencePieceProcessor(model_proto=model.getvalue())


def as_gguf(model: sentencepiece.SentencePieceProcessor) -> dict[str, Any]:
    """The metadata that llama.cpp writes for it."""
    proto = sentencepiece_model_pb2.ModelProto()
    proto.ParseFromString(model.serialized_model_proto())
    return {
        "tokenizer.ggml.model": "llama",
        "tokenizer.ggml.pre": "default",
        "tokenizer.ggml.tokens": [each.piece for each in proto.pieces],
        "tokenizer.ggml.scores": [each.score for each in proto.pieces],
        "tokenizer.ggml.token_type": [int(each.type) for each in proto.pieces],
        "tokenizer.ggml.add_space_prefix": proto.normalizer_spec.add_dummy_prefix,
        "tokenizer.ggml.bos_token_id": model.bos_id(),
        "tokenizer.ggml.eos_token_id": model.eos_id(),
        "tokenizer.ggml.unknown_token_id": model.unk_id(),
    }


@pytest.mark.parametrize("prefix", [True, False])
@pytest.mark.parametrize("text", TEXTS)
def test_sentencepiece_and_its_conversion_give_the_same_ids(prefix: bool, text: str) -> None:
    source = trained(prefix=prefix)
    found = tokenizer(as_gguf(source))
    ids = found.encode(text, add_special_tokens=False).ids
    assert ids == source.encode(text)
    assert found.decode(ids) == text.replace("▁", " ")
    assert found.encode(text).ids == [source.bos_id(), *ids]


def test_tokens_of_a_users_own_are_found_where_sentencepiece_finds_them() -> None:
    source = trained(prefix=False, own=["<start_of_turn>", "▁▁▁", "\n\n"])
    found = tokenizer(as_gguf(source))
    texts = ("<start_of_turn>user\n\n\nHello", "one   two    three      four", " ▁▁ a", "   ")
    for text in texts:
        ids = found.encode(text, add_special_tokens=False).ids
        assert ids == source.encode(text)
        assert found.decode(ids) == text.replace("▁", " ")


def test_a_vocabulary_without_bytes_has_a_token_for_what_it_does_not_know() -> None:
    metadata = as_gguf(trained(prefix=False))
    metadata["tokenizer.ggml.token_type"] = [
        NORMAL if kind == 6 else kind for kind in metadata["tokenizer.ggml.token_type"]
    ]
    found = tokenizer(metadata)
    assert found.encode("a你好b", add_special_tokens=False).tokens == ["a", "<unk>", "b"]


ABSURD: dict[str, Callable[[dict[str, Any]], Any]] = {
    "no scores": lambda m: m.pop("tokenizer.ggml.scores"),
    "fewer scores": lambda m: m["tokenizer.ggml.scores"].pop(),
    "scores that are words": lambda m: m.update({"tokenizer.ggml.scores": ["a"] * 700}),
    "a score that is no number": lambda m: m["tokenizer.ggml.scores"].__setitem__(5, float("nan")),
    "an infinite score": lambda m: m["tokenizer.ggml.scores"].__setitem__(5, float("-inf")),
    "an endless token": lambda m: m["tokenizer.ggml.tokens"].__setitem__(500, "a" * 10_000),
}


@pytest.mark.parametrize("case", ABSURD)
def test_absurd_scores_and_tokens_are_refused(case: str) -> None:
    metadata = as_gguf(trained(prefix=True))
    ABSURD[case](metadata)
    with pytest.raises(NotServable, match="The GGUF file"):
        tokenizer(metadata)


def test_sentencepiece_is_refused_where_transformers_would_pass_it_over() -> None:
    metadata = as_gguf(trained(prefix=True)) | {"general.architecture": "qwen2"}
    with pytest.raises(ModelUnsupported, match="A qwen2 with a tokenizer of SentencePiece"):
        tokenizer(metadata)


@pytest.mark.parametrize("prefix", [True, False])
@pytest.mark.parametrize("name", ["llama", "gemma3", "phi3", "qwen3moe"])
def test_transformers_loads_what_was_converted_with_the_same_ids(
    name: str, prefix: bool, engine: RemoteEngine, tmp_path: Path
) -> None:
    """It chooses a class of its own by the kind of the model."""
    source = trained(prefix=prefix)
    tokenizer(as_gguf(source)).save(str(tmp_path / "tokenizer.json"))
    config = config_of(ARCHITECTURES[name], tied=True)
    (tmp_path / "config.json").write_text(json.dumps(config))
    special = {"tokenizer_class": "PreTrainedTokenizerFast", "bos_token": "<s>"}
    (tmp_path / "tokenizer_config.json").write_text(json.dumps(special))
    found = engine.child.call(ids_by_transformers, tmp_path, TEXTS)
    assert found == [[source.bos_id(), *source.encode(text)] for text in TEXTS]


def ids_by_transformers(folder: Path, texts: Sequence[str]) -> list[list[int]]:
    """In the child."""
    from mlx_gui.engines.text.mlx_lm import load_tokenizer

    loaded = load_tokenizer(folder)
    return [list(loaded.encode(text)) for text in texts]
