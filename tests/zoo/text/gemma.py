"""Gemma 3."""

from dataclasses import replace

from tests.zoo import tokenization
from tests.zoo.blueprint import Json, TextBlueprint
from tests.zoo.text.common import chat_template, decoder_config, tokenizer_config


def gemma3_text() -> TextBlueprint:
    """gemma-3-270m-it and 1b-it: five layers with a sliding window, then one without."""
    tokenizer = tokenization.byte_fallback(
        first_specials=(
            "<pad>",
            "<eos>",
            "<bos>",
            "<unk>",
            "<mask>",
            "<start_of_turn>",
            "<end_of_turn>",
        ),
        last_specials=("<start_of_image>", "<end_of_image>"),
        bos="<bos>",
        unknown="<unk>",
    )
    special_ids: Json = {"bos_token_id": 2, "eos_token_id": [1, 6], "pad_token_id": 0}
    return TextBlueprint(
        tokenizer=tokenizer,
        tokenizer_config=tokenizer_config(
            "GemmaTokenizer",
            add_bos_token=True,
            add_eos_token=False,
            bos_token="<bos>",
            eos_token="<eos>",
            pad_token="<pad>",
            sp_model_kwargs=None,
            spaces_between_special_tokens=False,
            unk_token="<unk>",
            use_default_system_prompt=False,
        ),
        chat_template=chat_template("gemma3"),
        config=decoder_config(
            "gemma3_text",
            "Gemma3ForCausalLM",
            tokenizer,
            **special_ids,
            attention_bias=False,
            attn_logit_softcapping=None,
            final_logit_softcapping=None,
            head_dim=16,
            hidden_activation="gelu_pytorch_tanh",
            layer_types=["sliding_attention"] * 5 + ["full_attention"],
            num_hidden_layers=6,
            num_key_value_heads=1,
            query_pre_attn_scalar=16,
            rope_local_base_freq=1e4,
            rope_scaling=None,
            rope_theta=1e6,
            sliding_window=512,
            sliding_window_pattern=6,
            tie_word_embeddings=True,
        ),
        generation_config=special_ids
        | {"cache_implementation": "hybrid", "do_sample": True, "top_k": 64, "top_p": 0.95},
    )


def gemma3_text_window() -> TextBlueprint:
    """A window that is shorter than most prompts, so that its layers forget their beginnings."""
    whole = gemma3_text()
    return replace(whole, config=whole.config | {"sliding_window": 32})
