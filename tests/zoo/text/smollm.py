"""SmolLM2 and SmolLM3."""

from tests.zoo import tokenization
from tests.zoo.blueprint import TAGGED_CALLS, Json, TextBlueprint
from tests.zoo.text.common import chat_template, decoder_config, token_id, tokenizer_config

_SMOLLM2_SPECIALS = (
    "<|endoftext|>",
    "<|im_start|>",
    "<|im_end|>",
    "<repo_name>",
    "<reponame>",
    "<file_sep>",
    "<filename>",
    "<gh_stars>",
    "<issue_start>",
    "<issue_comment>",
    "<issue_closed>",
    "<jupyter_start>",
    "<jupyter_text>",
    "<jupyter_code>",
    "<jupyter_output>",
    "<jupyter_script>",
    "<empty_output>",
)


def smollm2() -> TextBlueprint:
    tokenizer = tokenization.byte_level(
        tokenization.SINGLE_DIGITS, first_specials=_SMOLLM2_SPECIALS
    )
    special_ids: Json = {"bos_token_id": 1, "eos_token_id": 2, "pad_token_id": 2}
    return TextBlueprint(
        tokenizer=tokenizer,
        tokenizer_config=tokenizer_config(
            "GPT2Tokenizer",
            add_prefix_space=False,
            bos_token="<|im_start|>",
            eos_token="<|im_end|>",
            pad_token="<|im_end|>",
            unk_token="<|endoftext|>",
            vocab_size=tokenizer.get_vocab_size(),
        ),
        chat_template=chat_template("smollm2"),
        template_place="tokenizer_config.json",
        config=decoder_config(
            "llama",
            "LlamaForCausalLM",
            tokenizer,
            **special_ids,
            attention_bias=False,
            mlp_bias=False,
            rms_norm_eps=1e-5,
            rope_theta=100000.0,
            tie_word_embeddings=True,
        ),
        generation_config=special_ids,
    )


def smollm3() -> TextBlueprint:
    tokenizer = tokenization.byte_level(
        tokenization.DIGIT_TRIPLES,
        last_specials=(
            "<|begin_of_text|>",
            "<|end_of_text|>",
            "<|im_start|>",
            "<|im_end|>",
            "<|finetune_right_pad_id|>",
        ),
        last_plain=(
            "<think>",
            "</think>",
            "<tool_call>",
            "</tool_call>",
            "<tool_response>",
            "</tool_response>",
            "<code>",
            "</code>",
        ),
    )
    eos_id = token_id(tokenizer, "<|im_end|>")
    return TextBlueprint(
        tokenizer=tokenizer,
        tokenizer_config=tokenizer_config(
            "PreTrainedTokenizerFast",
            bos_token=None,
            clean_up_tokenization_spaces=True,
            eos_token="<|im_end|>",
            fast=False,
            model_input_names=["input_ids", "attention_mask"],
            pad_token="<|im_end|>",
        ),
        chat_template=chat_template("smollm3"),
        call_form=TAGGED_CALLS,
        config=decoder_config(
            "smollm3",
            "SmolLM3ForCausalLM",
            tokenizer,
            attention_bias=False,
            bos_token_id=token_id(tokenizer, "<|begin_of_text|>"),
            eos_token_id=eos_id,
            layer_types=["full_attention"] * 4,
            max_window_layers=4,
            mlp_bias=False,
            no_rope_layer_interval=4,
            no_rope_layers=[1, 1, 1, 0],
            num_hidden_layers=4,
            pad_token_id=token_id(tokenizer, "<|finetune_right_pad_id|>"),
            pretraining_tp=1,
            rope_theta=5e6,
            sliding_window=None,
            tie_word_embeddings=True,
            use_sliding_window=False,
        ),
        generation_config={
            "do_sample": True,
            "eos_token_id": eos_id,
            "temperature": 0.6,
            "top_p": 0.95,
        },
    )
