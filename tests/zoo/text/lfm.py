"""LFM2."""

from tests.zoo import tokenization
from tests.zoo.blueprint import Json, TextBlueprint
from tests.zoo.text.common import chat_template, decoder_config, tokenizer_config

_SPECIALS = (
    "<|pad|>",
    "<|startoftext|>",
    "<|endoftext|>",
    "<|fim_pre|>",
    "<|fim_mid|>",
    "<|fim_suf|>",
    "<|im_start|>",
    "<|im_end|>",
)


def lfm2() -> TextBlueprint:
    """LFM2-350M and its like: short convolutions between layers with attention."""
    tokenizer = tokenization.byte_level(
        tokenization.DIGIT_TRIPLES, first_specials=_SPECIALS, bos="<|startoftext|>"
    )
    special_ids: Json = {"bos_token_id": 1, "eos_token_id": 7, "pad_token_id": 0}
    return TextBlueprint(
        tokenizer=tokenizer,
        tokenizer_config=tokenizer_config(
            "PreTrainedTokenizerFast",
            add_bos_token=True,
            add_eos_token=False,
            bos_token="<|startoftext|>",
            eos_token="<|im_end|>",
            legacy=False,
            model_input_names=["input_ids", "attention_mask"],
            pad_token="<|pad|>",
            sp_model_kwargs={},
            use_default_system_prompt=False,
        ),
        chat_template=chat_template("lfm2"),
        config=decoder_config(
            "lfm2",
            "Lfm2ForCausalLM",
            tokenizer,
            **special_ids,
            block_auto_adjust_ff_dim=False,
            block_dim=64,
            block_ff_dim=128,
            block_ffn_dim_multiplier=1.0,
            block_multiple_of=64,
            conv_L_cache=3,
            conv_bias=False,
            layer_types=["conv", "conv", "full_attention", "conv"],
            norm_eps=1e-5,
            num_hidden_layers=4,
            rope_theta=1e6,
            tie_word_embeddings=True,
        ),
        generation_config=special_ids,
    )
