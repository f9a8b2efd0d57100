"""What each tiny encoder consists of before there are weights. Imports no MLX."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from tokenizers import Tokenizer, processors

from tests.encoders.tokenization import unigram, word_pieces
from tests.zoo.tokenization import SINGLE_DIGITS, byte_fallback, byte_level

Json = dict[str, Any]

RERANKERS = ("bert-reranker-tiny", "xlm-roberta-reranker-tiny", "modernbert-reranker-tiny")

JUDGES = ("Qwen3-Reranker-tiny", "Qwen3-Reranker-tiny-4bit")

_CLASSIFIER = "SequenceClassificationModel"

WIDE = 2560
"""Numbers in a vector of Qwen3-Embedding-4B."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Blueprint:
    """One checkpoint without its weights. `package` is that of `library`.

    `files` are JSON by their path, or the text of the card. `dense` are the linear layers behind
    the pooling by their folder: how many numbers go in and out; where the architecture has them
    they are its own.
    """

    package: str
    tokenizer: Tokenizer
    tokenizer_config: Json
    config: Json
    files: Mapping[str, Any] = field(default_factory=dict[str, Any])
    dense: Mapping[str, tuple[int, int]] = field(default_factory=dict[str, tuple[int, int]])
    of_class: str = "Model"
    bits: int | None = None
    library: str = "mlx_vlm"


_STAGES = "sentence_transformers.models."
_BERT_TOKENS = {
    "tokenizer_class": "BertTokenizer",
    "do_lower_case": True,
    "model_max_length": 512,
    "cls_token": "[CLS]",
    "sep_token": "[SEP]",
    "pad_token": "[PAD]",
    "unk_token": "[UNK]",
    "mask_token": "[MASK]",
}
_ROBERTA_TOKENS = {
    "tokenizer_class": "XLMRobertaTokenizer",
    "model_max_length": 512,
    "bos_token": "<s>",
    "eos_token": "</s>",
    "cls_token": "<s>",
    "sep_token": "</s>",
    "pad_token": "<pad>",
    "unk_token": "<unk>",
}


def stages(*names: str, pooling: str | None = None, longest: int | None = None) -> Json:
    """The files of sentence-transformers; `names` stand behind the encoder."""
    folders = {name: f"{number}_{name}" for number, name in enumerate(names, start=1)}
    modules = [{"idx": 0, "name": "0", "path": "", "type": f"{_STAGES}Transformer"}]
    modules += [
        {"idx": idx, "name": str(idx), "path": folders[name], "type": f"{_STAGES}{name}"}
        for idx, name in enumerate(names, start=1)
    ]
    files: Json = {"modules.json": modules}
    if pooling is not None:
        keys = ("cls_token", "mean_tokens", "max_tokens", "mean_sqrt_len_tokens", "lasttoken")
        files["1_Pooling/config.json"] = {
            "word_embedding_dimension": 64,
            **{f"pooling_mode_{key}": key.startswith(pooling) for key in keys},
        }
    if longest is not None:
        files["sentence_bert_config.json"] = {"max_seq_length": longest, "do_lower_case": False}
    return files


def _bert_config(tokenizer: Tokenizer, **changes: object) -> Json:
    return {
        "architectures": ["BertModel"],
        "model_type": "bert",
        "vocab_size": tokenizer.get_vocab_size(),
        "hidden_size": 64,
        "num_hidden_layers": 2,
        "num_attention_heads": 4,
        "intermediate_size": 128,
        "max_position_embeddings": 512,
        "type_vocab_size": 2,
        "layer_norm_eps": 1e-12,
        "pad_token_id": 0,
        "hidden_act": "gelu",
        **changes,
    }


def _bert(files: Json, **more: Any) -> Blueprint:
    tokenizer = word_pieces()
    return Blueprint(
        package="bert",
        tokenizer=tokenizer,
        tokenizer_config=_BERT_TOKENS,
        config=_bert_config(tokenizer, **more.pop("config", {})),
        files=files,
        **more,
    )


def bge() -> Blueprint:
    return _bert(stages("Pooling", "Normalize", pooling="cls", longest=512))


def minilm() -> Blueprint:
    return _bert(stages("Pooling", "Normalize", pooling="mean_tokens", longest=128))


def minilm_4bit() -> Blueprint:
    files = stages("Pooling", "Normalize", pooling="mean_tokens", longest=128)
    return _bert(files, bits=4)


def arctic() -> Blueprint:
    files = stages("Pooling", "Normalize", pooling="cls", longest=512)
    prompt = "Represent this sentence for searching relevant passages: "
    files["config_sentence_transformers.json"] = {"prompts": {"query": prompt}}
    return _bert(files)


def dense() -> Blueprint:
    """One with a layer of 32 numbers behind the pooling, and vectors of any length."""
    files = stages("Pooling", "Dense", pooling="mean_tokens", longest=128)
    files["2_Dense/config.json"] = {
        "in_features": 64,
        "out_features": 32,
        "bias": True,
        "activation_function": "torch.nn.modules.activation.Tanh",
    }
    return _bert(files, dense={"2_Dense": (64, 32)})


def lost() -> Blueprint:
    """A conversion without any file that says how to pool."""
    return _bert({})


def xlm_roberta() -> Blueprint:
    tokenizer = unigram()
    config = _bert_config(
        tokenizer,
        architectures=["XLMRobertaModel"],
        model_type="xlm-roberta",
        max_position_embeddings=514,
        type_vocab_size=1,
        layer_norm_eps=1e-5,
        pad_token_id=1,
    )
    files = stages("Pooling", "Normalize", pooling="cls", longest=512)
    return Blueprint(
        package="xlm_roberta",
        tokenizer=tokenizer,
        tokenizer_config=_ROBERTA_TOKENS,
        config=config,
        files=files,
    )


def modernbert() -> Blueprint:
    tokenizer = word_pieces()
    return Blueprint(
        package="modernbert",
        tokenizer=tokenizer,
        tokenizer_config={**_BERT_TOKENS, "tokenizer_class": "PreTrainedTokenizerFast"},
        config=_modernbert_config(tokenizer),
        files=stages("Pooling", "Normalize", pooling="mean_tokens"),
    )


def _modernbert_config(tokenizer: Tokenizer, **changes: object) -> Json:
    return {
        "architectures": ["ModernBertModel"],
        "model_type": "modernbert",
        "vocab_size": tokenizer.get_vocab_size(),
        "hidden_size": 64,
        "num_hidden_layers": 3,
        "num_attention_heads": 4,
        "intermediate_size": 96,
        "max_position_embeddings": 1024,
        "local_attention": 16,
        "global_attn_every_n_layers": 3,
        # As transformers 5 writes it, with other values than the library's own.
        "rope_parameters": {
            "full_attention": {"rope_theta": 80_000.0, "rope_type": "default"},
            "sliding_attention": {"rope_theta": 5_000.0, "rope_type": "default"},
        },
        "pad_token_id": 0,
        **changes,
    }


def qwen3(width: int = 64) -> Blueprint:
    end = "<|endoftext|>"
    tokenizer = byte_level(
        SINGLE_DIGITS, last_specials=[end, "<|im_start|>", "<|im_end|>"], nfc=True
    )
    found = tokenizer.token_to_id(end)
    tokenizer.post_processor = processors.TemplateProcessing(
        single=f"$A {end}", pair=f"$A $B {end}", special_tokens=[(end, found)]
    )
    files = stages("Pooling", "Normalize", pooling="lasttoken")
    prompt = "Instruct: Given a web search query, retrieve relevant passages\nQuery:"
    files["config_sentence_transformers.json"] = {
        "prompts": {"query": prompt, "document": ""},
        "default_prompt_name": None,
    }
    return Blueprint(
        package="qwen3_embedding",
        tokenizer=tokenizer,
        tokenizer_config={
            "tokenizer_class": "Qwen2Tokenizer",
            "model_max_length": 131_072,
            "padding_side": "left",
            "pad_token": end,
            "eos_token": "<|im_end|>",
        },
        config={
            "architectures": ["Qwen3ForCausalLM"],
            "model_type": "qwen3",
            "vocab_size": tokenizer.get_vocab_size(),
            "hidden_size": width,
            "num_hidden_layers": 2,
            "num_attention_heads": 4,
            "num_key_value_heads": 2,
            "head_dim": 16,
            "intermediate_size": 128,
            "max_position_embeddings": 2048,
            "rms_norm_eps": 1e-6,
            "rope_theta": 1_000_000.0,
            "tie_word_embeddings": True,
        },
        files=files,
    )


def qwen3_wide() -> Blueprint:
    return qwen3(WIDE)


def gemma_window() -> Blueprint:
    """Texts soon get longer than what its layers with a window see."""
    return gemma(window=64)


def gemma(window: int = 512) -> Blueprint:
    tokenizer = byte_fallback(
        first_specials=["<pad>", "<eos>", "<bos>", "<unk>"],
        last_specials=[],
        bos="<bos>",
        unknown="<unk>",
    )
    tokenizer.post_processor = processors.TemplateProcessing(
        single="<bos> $A <eos>",
        pair="<bos> $A <eos> $B <eos>",
        special_tokens=[("<bos>", 2), ("<eos>", 1)],
    )
    files = stages("Pooling", "Dense", "Dense", "Normalize", pooling="mean_tokens", longest=512)
    files["modules.json"][2]["path"], files["modules.json"][3]["path"] = "2_Dense", "3_Dense"
    identity = "torch.nn.modules.linear.Identity"
    for folder, size in (("2_Dense", (64, 256)), ("3_Dense", (256, 64))):
        files[f"{folder}/config.json"] = {
            "in_features": size[0],
            "out_features": size[1],
            "bias": False,
            "activation_function": identity,
        }
    files["config_sentence_transformers.json"] = {
        "prompts": {
            "query": "task: search result | query: ",
            "document": "title: none | text: ",
        },
        "default_prompt_name": None,
    }
    return Blueprint(
        package="gemma3_embedding",
        tokenizer=tokenizer,
        tokenizer_config={
            "tokenizer_class": "GemmaTokenizer",
            "model_max_length": 512,
            "bos_token": "<bos>",
            "eos_token": "<eos>",
            "pad_token": "<pad>",
            "unk_token": "<unk>",
        },
        config={
            "architectures": ["Gemma3TextModel"],
            "model_type": "gemma3_text",
            "vocab_size": tokenizer.get_vocab_size(),
            "hidden_size": 64,
            "num_hidden_layers": 3,
            "num_attention_heads": 4,
            "num_key_value_heads": 1,
            "head_dim": 16,
            "intermediate_size": 128,
            "max_position_embeddings": 512,
            "rms_norm_eps": 1e-6,
            "rope_theta": 1_000_000.0,
            "rope_local_base_freq": 10_000.0,
            "query_pre_attn_scalar": 16,
            "sliding_window": window,
            "layer_types": ["sliding_attention", "sliding_attention", "full_attention"],
        },
        files=files,
        dense={"2_Dense": (64, 256), "3_Dense": (256, 64)},
    )


def qwen3_reranker() -> Blueprint:
    """A conversion of the chat that says yes or no, whose card names what it was made of."""
    base = qwen3()
    base.tokenizer.add_tokens(["yes"])
    return replace(
        base,
        library="mlx_lm",
        package="qwen3",
        config={**base.config, "vocab_size": base.tokenizer.get_vocab_size()},
        files={"README.md": "---\nbase_model: Qwen/Qwen3-Reranker-0.6B\n---\n"},
    )


def qwen3_reranker_4bit() -> Blueprint:
    """One with a head of its own."""
    base = qwen3_reranker()
    return replace(base, bits=4, config={**base.config, "tie_word_embeddings": False})


def bert_reranker() -> Blueprint:
    """Its config does not say how many labels there are."""
    config = {"architectures": ["BertForSequenceClassification"]}
    return _bert({}, config=config, of_class=_CLASSIFIER)


def xlm_roberta_reranker() -> Blueprint:
    base = xlm_roberta()
    label = {"architectures": ["XLMRobertaForSequenceClassification"], "id2label": {"0": "LABEL_0"}}
    return replace(base, config={**base.config, **label}, files={}, of_class=_CLASSIFIER)


def modernbert_reranker() -> Blueprint:
    base = modernbert()
    label = {
        "architectures": ["ModernBertForSequenceClassification"],
        "id2label": {"0": "LABEL_0"},
        "classifier_pooling": "mean",
    }
    return replace(base, config={**base.config, **label}, files={}, of_class=_CLASSIFIER)


FAMILIES: Mapping[str, Callable[[], Blueprint]] = {
    "bge-tiny": bge,
    "MiniLM-tiny": minilm,
    "MiniLM-tiny-4bit": minilm_4bit,
    "arctic-tiny": arctic,
    "dense-tiny": dense,
    "lost-tiny": lost,
    "xlm-roberta-tiny": xlm_roberta,
    "modernbert-tiny": modernbert,
    "Qwen3-Embedding-tiny": qwen3,
    "Qwen3-Embedding-tiny-wide": qwen3_wide,
    "bert-reranker-tiny": bert_reranker,
    "xlm-roberta-reranker-tiny": xlm_roberta_reranker,
    "modernbert-reranker-tiny": modernbert_reranker,
    "Qwen3-Reranker-tiny": qwen3_reranker,
    "Qwen3-Reranker-tiny-4bit": qwen3_reranker_4bit,
    "embeddinggemma-tiny": gemma,
    "embeddinggemma-tiny-window": gemma_window,
}
