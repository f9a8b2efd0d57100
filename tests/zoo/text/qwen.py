"""Qwen3."""

from dataclasses import replace

from tests.zoo import tokenization
from tests.zoo.blueprint import TAGGED_CALLS, TextBlueprint
from tests.zoo.text.common import chat_template, decoder_config, token_id, tokenizer_config

_SPECIALS = (
    "<|endoftext|>",
    "<|im_start|>",
    "<|im_end|>",
    "<|object_ref_start|>",
    "<|object_ref_end|>",
    "<|box_start|>",
    "<|box_end|>",
    "<|quad_start|>",
    "<|quad_end|>",
    "<|vision_start|>",
    "<|vision_end|>",
    "<|vision_pad|>",
    "<|image_pad|>",
    "<|video_pad|>",
)
_PLAIN = (
    "<tool_call>",
    "</tool_call>",
    "<|fim_prefix|>",
    "<|fim_middle|>",
    "<|fim_suffix|>",
    "<|fim_pad|>",
    "<|repo_name|>",
    "<|file_sep|>",
    "<tool_response>",
    "</tool_response>",
    "<think>",
    "</think>",
)


def qwen3() -> TextBlueprint:
    tokenizer = tokenization.byte_level(
        tokenization.SINGLE_DIGITS,
        last_specials=_SPECIALS,
        last_plain=_PLAIN,
        nfc=True,
    )
    eos_id, pad_id = token_id(tokenizer, "<|im_end|>"), token_id(tokenizer, "<|endoftext|>")
    return TextBlueprint(
        tokenizer=tokenizer,
        tokenizer_config=tokenizer_config(
            "Qwen2Tokenizer",
            add_bos_token=False,
            add_prefix_space=False,
            additional_special_tokens=list(_SPECIALS[1:]),
            bos_token=None,
            eos_token="<|im_end|>",
            errors="replace",
            pad_token="<|endoftext|>",
            split_special_tokens=False,
            unk_token=None,
        ),
        chat_template=chat_template("qwen3"),
        call_form=TAGGED_CALLS,
        config=decoder_config(
            "qwen3",
            "Qwen3ForCausalLM",
            tokenizer,
            attention_bias=False,
            bos_token_id=pad_id,
            eos_token_id=eos_id,
            head_dim=16,
            max_window_layers=2,
            rope_scaling=None,
            rope_theta=1e6,
            sliding_window=None,
            use_sliding_window=False,
        ),
        generation_config={
            "bos_token_id": pad_id,
            "do_sample": True,
            "eos_token_id": [eos_id, pad_id],
            "pad_token_id": pad_id,
            "temperature": 0.6,
            "top_k": 20,
            "top_p": 0.95,
        },
    )


def qwen3_4bit() -> TextBlueprint:
    return replace(qwen3(), bits=4)


def qwen3_draft() -> TextBlueprint:
    """One layer, which drafts for the others: it shares their vocabulary. Learns no calls."""
    whole = qwen3()
    layers = {"num_hidden_layers": 1, "max_window_layers": 1}
    return replace(whole, config=whole.config | layers, call_form=None)


def qwen3_wide() -> TextBlueprint:
    """Heads wide enough for a quantized KV cache, which shares a scale among 32 values."""
    whole = qwen3()
    return replace(whole, config=whole.config | {"head_dim": 32})
