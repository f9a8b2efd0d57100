"""Llama 3.2."""

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
