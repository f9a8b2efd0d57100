"""Mistral Small."""

from tests.zoo import tokenization
from tests.zoo.blueprint import LISTED_CALLS, TextBlueprint
from tests.zoo.text.common import chat_template, decoder_config, tokenizer_config

_SPECIALS = (
    "<unk>",
    "<s>",
    "</s>",
    "[INST]",
    "[/INST]",
    "[AVAILABLE_TOOLS]",
    "[/AVAILABLE_TOOLS]",
    "[TOOL_RESULTS]",
    "[/TOOL_RESULTS]",
    "[TOOL_CALLS]",
    "[IMG]",
    "<pad>",
    "[IMG_BREAK]",
    "[IMG_END]",
    "[PREFIX]",
    "[MIDDLE]",
    "[SUFFIX]",
    "[SYSTEM_PROMPT]",
    "[/SYSTEM_PROMPT]",
    "[TOOL_CONTENT]",
    "[ARGS]",
    "[CALL_ID]",
    *(f"<SPECIAL_{index}>" for index in range(22, 32)),
)


def mistral_small() -> TextBlueprint:
    """Mistral-Small-24B-Instruct-2501; special tokens at ids 0 to 31, weights in two files."""
    tokenizer = tokenization.byte_level(
        tokenization.CASED_WORDS, first_specials=_SPECIALS, bos="<s>"
    )
    return TextBlueprint(
        tokenizer=tokenizer,
        tokenizer_config=tokenizer_config(
            "LlamaTokenizerFast",
            add_bos_token=True,
            add_prefix_space=False,
            additional_special_tokens=list(_SPECIALS),
            bos_token="<s>",
            eos_token="</s>",
            legacy=True,
            pad_token="<pad>",
            unk_token="<unk>",
            use_default_system_prompt=False,
        ),
        chat_template=chat_template("mistral"),
        call_form=LISTED_CALLS,
        config=decoder_config(
            "mistral",
            "MistralForCausalLM",
            tokenizer,
            bos_token_id=1,
            eos_token_id=2,
            head_dim=16,
            rms_norm_eps=1e-5,
            rope_theta=1e8,
            sliding_window=None,
        ),
        generation_config={
            "bos_token_id": 1,
            "do_sample": True,
            "eos_token_id": 2,
            "temperature": 0.15,
        },
        shards=2,
    )
