"""What the text families share."""

from pathlib import Path

from tokenizers import Tokenizer

from tests.zoo.blueprint import Json

_TEMPLATES = Path(__file__).parents[1] / "templates"
_CONTEXT_TOKENS = 2048


def decoder_config(
    model_type: str, architecture: str, tokenizer: Tokenizer, **changes: object
) -> Json:
    config: Json = {
        "architectures": [architecture],
        "attention_dropout": 0.0,
        "hidden_act": "silu",
        "hidden_size": 64,
        "initializer_range": 0.02,
        "intermediate_size": 128,
        "max_position_embeddings": _CONTEXT_TOKENS,
        "model_type": model_type,
        "num_attention_heads": 4,
        "num_hidden_layers": 2,
        "num_key_value_heads": 2,
        "rms_norm_eps": 1e-6,
        "rope_theta": 10000.0,
        "tie_word_embeddings": False,
        "torch_dtype": "bfloat16",
        "use_cache": True,
        "vocab_size": tokenizer.get_vocab_size(),
    }
    return config | changes


def tokenizer_config(tokenizer_class: str, **changes: object) -> Json:
    config: Json = {
        "clean_up_tokenization_spaces": False,
        "model_max_length": _CONTEXT_TOKENS,
        "tokenizer_class": tokenizer_class,
    }
    return config | changes


def chat_template(name: str) -> str:
    return (_TEMPLATES / f"{name}.jinja").read_text(encoding="utf-8")


def token_id(tokenizer: Tokenizer, token: str) -> int:
    found = tokenizer.token_to_id(token)
    assert found is not None, token
    return found


def llama3_rope(*, factor: float) -> Json:
    return {
        "factor": factor,
        "high_freq_factor": 4.0,
        "low_freq_factor": 1.0,
        "original_max_position_embeddings": 1024,
        "rope_type": "llama3",
    }
