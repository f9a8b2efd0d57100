"""Llama 3.2 and Llama 4."""

from tests.zoo import tokenization
from tests.zoo.blueprint import Json, TextBlueprint
from tests.zoo.text.common import (
    chat_template,
    decoder_config,
    llama3_rope,
    token_id,
    tokenizer_config,
)


def llama32() -> TextBlueprint:
    tokenizer = tokenization.byte_level(
        tokenization.DIGIT_TRIPLES,
        last_specials=(
            "<|begin_of_text|>",
            "<|end_of_text|>",
            "<|finetune_right_pad_id|>",
            "<|start_header_id|>",
            "<|end_header_id|>",
            "<|eom_id|>",
            "<|eot_id|>",
            "<|python_tag|>",
        ),
        bos="<|begin_of_text|>",
    )
    special_ids: Json = {
        "bos_token_id": token_id(tokenizer, "<|begin_of_text|>"),
        "eos_token_id": [
            token_id(tokenizer, token) for token in ("<|end_of_text|>", "<|eom_id|>", "<|eot_id|>")
        ],
    }
    return TextBlueprint(
        tokenizer=tokenizer,
        tokenizer_config=tokenizer_config(
            "PreTrainedTokenizerFast",
            bos_token="<|begin_of_text|>",
            clean_up_tokenization_spaces=True,
            eos_token="<|eot_id|>",
            model_input_names=["input_ids", "attention_mask"],
            pad_token="<|finetune_right_pad_id|>",
        ),
        chat_template=chat_template("llama3"),
        template_place="tokenizer_config.json",
        config=decoder_config(
            "llama",
            "LlamaForCausalLM",
            tokenizer,
            **special_ids,
            attention_bias=False,
            head_dim=16,
            mlp_bias=False,
            rms_norm_eps=1e-5,
            rope_scaling=llama3_rope(factor=32.0),
            rope_theta=500000.0,
            tie_word_embeddings=True,
        ),
        generation_config=special_ids | {"do_sample": True, "temperature": 0.6, "top_p": 0.9},
    )


def llama4() -> TextBlueprint:
    """Llama-4-Scout without its eyes: three layers that see one chunk of the text, then one
    without positions that sees it all; every second one has experts."""
    tokenizer = tokenization.byte_level(
        tokenization.CASED_WORDS,
        last_specials=(
            "<|begin_of_text|>",
            "<|end_of_text|>",
            "<|header_start|>",
            "<|header_end|>",
            "<|eom|>",
            "<|eot|>",
            "<|finetune_right_pad|>",
        ),
        bos="<|begin_of_text|>",
    )
    special_ids: Json = {
        "bos_token_id": token_id(tokenizer, "<|begin_of_text|>"),
        "eos_token_id": [
            token_id(tokenizer, token) for token in ("<|end_of_text|>", "<|eom|>", "<|eot|>")
        ],
    }
    text_config = decoder_config(
        "llama4_text",
        "Llama4ForCausalLM",
        tokenizer,
        attention_bias=False,
        attention_chunk_size=32,
        attn_scale=0.1,
        attn_temperature_tuning=True,
        floor_scale=8192,
        head_dim=16,
        interleave_moe_layer_step=2,
        intermediate_size=64,
        intermediate_size_mlp=128,
        num_experts_per_tok=1,
        num_hidden_layers=4,
        num_local_experts=4,
        rms_norm_eps=1e-5,
        rope_scaling=None,
        rope_theta=500000.0,
        use_qk_norm=True,
    )
    return TextBlueprint(
        tokenizer=tokenizer,
        tokenizer_config=tokenizer_config(
            "PreTrainedTokenizerFast",
            bos_token="<|begin_of_text|>",
            eos_token="<|eot|>",
            model_input_names=["input_ids", "attention_mask"],
            pad_token="<|finetune_right_pad|>",
        ),
        chat_template=chat_template("llama4"),
        config={
            "architectures": ["Llama4ForConditionalGeneration"],
            "model_type": "llama4",
            "text_config": text_config,
            "tie_word_embeddings": False,
            "torch_dtype": "bfloat16",
            **special_ids,
        },
        generation_config=special_ids | {"do_sample": True, "temperature": 0.6, "top_p": 0.9},
    )
