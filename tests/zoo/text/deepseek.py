"""DeepSeek-R1 and its distills: one tokenizer and template, four bodies."""

from tests.zoo import tokenization
from tests.zoo.blueprint import TextBlueprint
from tests.zoo.text.common import chat_template, decoder_config, llama3_rope, tokenizer_config

# The markers have a full-width bar, and U+2581 for spaces.
_BAR = "\N{FULLWIDTH VERTICAL LINE}"
_SPACE = "\N{LOWER ONE EIGHTH BLOCK}"


def _marker(words: str) -> str:
    return f"<{_BAR}{words}{_BAR}>".replace(" ", _SPACE)


_BOS = _marker("begin of sentence")
_EOS = _marker("end of sentence")
_PAD = _marker(" pad ")
_SPECIALS = (
    _marker("User"),
    _marker("Assistant"),
    "<|EOT|>",
    _marker("tool calls begin"),
    _marker("tool calls end"),
    _marker("tool call begin"),
    _marker("tool call end"),
    _marker("tool sep"),
    _marker("tool outputs begin"),
    _marker("tool outputs end"),
    _marker("tool output begin"),
    _marker("tool output end"),
)


def deepseek_r1() -> TextBlueprint:
    """Latent attention, one dense layer, then experts in two groups beside a shared one."""
    return _deepseek(
        "deepseek_v3",
        "DeepseekV3ForCausalLM",
        attention_bias=False,
        first_k_dense_replace=1,
        kv_lora_rank=32,
        moe_intermediate_size=32,
        moe_layer_freq=1,
        n_group=2,
        n_routed_experts=4,
        n_shared_experts=1,
        norm_topk_prob=True,
        num_experts_per_tok=2,
        num_hidden_layers=3,
        num_key_value_heads=4,
        q_lora_rank=32,
        qk_nope_head_dim=16,
        qk_rope_head_dim=16,
        rope_scaling={
            "beta_fast": 32,
            "beta_slow": 1,
            "factor": 4,
            "mscale": 1.0,
            "mscale_all_dim": 1.0,
            "original_max_position_embeddings": 512,
            "type": "yarn",
        },
        routed_scaling_factor=2.5,
        scoring_func="sigmoid",
        topk_group=1,
        topk_method="noaux_tc",
        v_head_dim=16,
    )


def deepseek_r1_distill_qwen() -> TextBlueprint:
    return _deepseek("qwen2", "Qwen2ForCausalLM")


def deepseek_r1_distill_llama() -> TextBlueprint:
    return _deepseek(
        "llama",
        "LlamaForCausalLM",
        attention_bias=False,
        mlp_bias=False,
        rope_scaling=llama3_rope(factor=8.0),
        rope_theta=500000.0,
    )


def deepseek_r1_0528_qwen3() -> TextBlueprint:
    return _deepseek(
        "qwen3",
        "Qwen3ForCausalLM",
        attention_bias=False,
        head_dim=16,
        rope_scaling={
            "attn_factor": 0.8782488562869419,
            "factor": 4.0,
            "original_max_position_embeddings": 512,
            "rope_type": "yarn",
        },
        rope_theta=1e6,
    )


def _deepseek(model_type: str, architecture: str, **config: object) -> TextBlueprint:
    """R1 and its distills share tokenizer and template; only the body differs."""
    tokenizer = tokenization.byte_level(
        tokenization.SINGLE_DIGITS,
        first_specials=(_BOS, _EOS, _PAD),
        last_specials=_SPECIALS,
        last_plain=("<think>", "</think>"),
        bos=_BOS,
    )
    return TextBlueprint(
        tokenizer=tokenizer,
        tokenizer_config=tokenizer_config(
            "LlamaTokenizerFast",
            add_bos_token=True,
            add_eos_token=False,
            bos_token=_BOS,
            eos_token=_EOS,
            legacy=True,
            pad_token=_EOS,
            sp_model_kwargs={},
            unk_token=None,
        ),
        chat_template=chat_template("deepseek_r1"),
        template_place="tokenizer_config.json",
        config=decoder_config(
            model_type, architecture, tokenizer, **{"bos_token_id": 0, "eos_token_id": 1, **config}
        ),
        generation_config={
            "bos_token_id": 0,
            "do_sample": True,
            "eos_token_id": 1,
            "temperature": 0.6,
            "top_p": 0.95,
        },
    )
