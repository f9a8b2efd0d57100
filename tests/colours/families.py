"""The families, as small as their architectures allow. Imports no MLX."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace

from tests.zoo import tokenization
from tests.zoo.blueprint import Json, TextBlueprint
from tests.zoo.text import gemma, mistral, qwen
from tests.zoo.text.common import token_id

_PATCH = 14
_SIDE = 56
_GEMMA3N_SIDE = 64
_GEMMA3N_TOKENS = 4
_CLIP = {
    "image_mean": [0.48145466, 0.4578275, 0.40821073],
    "image_std": [0.26862954, 0.26130258, 0.27577711],
}

_QWEN_TEMPLATE = """\
{%- if messages[0].role != 'system' -%}
{{- '<|im_start|>system\\nYou are a helpful assistant.<|im_end|>\\n' -}}
{%- endif -%}
{%- for message in messages -%}
{{- '<|im_start|>' + message.role + '\\n' -}}
{%- if message.content is string -%}
{{- message.content -}}
{%- else -%}
{%- for part in message.content -%}
{%- if part.type == 'image' or 'image' in part or 'image_url' in part -%}
{{- '<|vision_start|><|image_pad|><|vision_end|>' -}}
{%- elif 'text' in part -%}
{{- part.text -}}
{%- endif -%}
{%- endfor -%}
{%- endif -%}
{{- '<|im_end|>\\n' -}}
{%- endfor -%}
{%- if add_generation_prompt -%}
{{- '<|im_start|>assistant\\n' -}}
{%- endif -%}"""

_MISTRAL_TEMPLATE = """\
{%- macro told(content) -%}
{%- if content is string -%}
{{- content -}}
{%- else -%}
{%- for part in content -%}
{%- if part.type == 'text' -%}
{{- part.text -}}
{%- elif part.type in ['image', 'image_url'] -%}
{{- '[IMG]' -}}
{%- endif -%}
{%- endfor -%}
{%- endif -%}
{%- endmacro -%}
{{- bos_token -}}
{%- for message in messages -%}
{%- if message.role == 'system' -%}
{%- if message.content is not string -%}
{{- raise_exception('Only text is supported in system messages') -}}
{%- endif -%}
{{- '[SYSTEM_PROMPT]' + message.content + '[/SYSTEM_PROMPT]' -}}
{%- elif message.role == 'user' -%}
{{- '[INST]' + told(message.content) + '[/INST]' -}}
{%- else -%}
{{- told(message.content) + eos_token -}}
{%- endif -%}
{%- endfor -%}"""

_GEMMA_TEMPLATE = """\
{{- bos_token -}}
{%- for message in messages -%}
{%- if (message.role == 'user') != (loop.index0 % 2 == 0) -%}
{{- raise_exception('Conversation roles must alternate user/assistant/user/assistant/...') -}}
{%- endif -%}
{{- '<start_of_turn>' + ('model' if message.role == 'assistant' else message.role) + '\\n' -}}
{%- if message.content is string -%}
{{- message.content | trim -}}
{%- else -%}
{%- for part in message.content -%}
{%- if part.type == 'image' -%}
{{- '<start_of_image>' -}}
{%- elif part.type == 'text' -%}
{{- part.text | trim -}}
{%- endif -%}
{%- endfor -%}
{%- endif -%}
{{- '<end_of_turn>\\n' -}}
{%- endfor -%}
{%- if add_generation_prompt -%}
{{- '<start_of_turn>model\\n' -}}
{%- endif -%}"""


@dataclass(frozen=True, slots=True)
class SeeingBlueprint:
    """A text model's blueprint, of which the tokenizer's part is taken, and what is its own.

    `end` is what the family's template puts behind an answer; `files` are JSON, by their names.
    """

    text: TextBlueprint
    template: str
    end: str
    config: Json
    files: Mapping[str, Json]
    tokenizer_config: Json = field(default_factory=dict)
    untold: tuple[str, ...] = ()
    """Beginnings of the names of weights that are not stored."""
    lessons: tuple[int, int] = (3, 5)
    """Examples of one picture and of two in each step of the training."""
    learnt: float = 0.004
    """The mean loss at which it is sure of what it says."""
    takes: int = 3
    """So many times each question is asked, of other pictures; 0 if always of another."""


def qwen2_vl() -> SeeingBlueprint:
    """As many tokens as a picture has squares of 28x28, placed in three axes."""
    text = qwen.qwen3()
    named = {
        "vision_start_token_id": "<|vision_start|>",
        "vision_end_token_id": "<|vision_end|>",
        "vision_token_id": "<|vision_pad|>",
        "image_token_id": "<|image_pad|>",
        "video_token_id": "<|video_pad|>",
    }
    config = {key: value for key, value in text.config.items() if key != "head_dim"} | {
        "architectures": ["Qwen2VLForConditionalGeneration"],
        "model_type": "qwen2_vl",
        **{key: token_id(text.tokenizer, token) for key, token in named.items()},
        "rope_scaling": {"type": "mrope", "mrope_section": [2, 3, 3]},
        "vision_config": {
            "depth": 2,
            "embed_dim": 32,
            "hidden_size": 64,
            "in_channels": 3,
            "in_chans": 3,
            "mlp_ratio": 2,
            "model_type": "qwen2_vl",
            "num_heads": 2,
            "patch_size": _PATCH,
            "spatial_merge_size": 2,
            "spatial_patch_size": _PATCH,
            "temporal_patch_size": 2,
        },
    }
    processor: Json = {
        **_CLIP,
        "image_processor_type": "Qwen2VLImageProcessor",
        "processor_class": "Qwen2VLProcessor",
        "max_pixels": 112 * 112,
        "merge_size": 2,
        "min_pixels": 56 * 56,
        "patch_size": _PATCH,
        "temporal_patch_size": 2,
    }
    return SeeingBlueprint(
        text,
        _QWEN_TEMPLATE,
        "<|im_end|>",
        config,
        {"preprocessor_config.json": processor},
    )


def mistral3() -> SeeingBlueprint:
    """Mistral Small 3.1: rows of tokens with breaks between them, by a Pixtral tower."""
    text = mistral.mistral_small()
    config: Json = {
        "architectures": ["Mistral3ForConditionalGeneration"],
        "eos_token_id": 2,
        "image_token_index": token_id(text.tokenizer, "[IMG]"),
        "model_type": "mistral3",
        "multimodal_projector_bias": False,
        "projector_hidden_act": "gelu",
        "spatial_merge_size": 2,
        "text_config": text.config,
        "torch_dtype": "bfloat16",
        "vision_config": {
            "attention_dropout": 0.0,
            "head_dim": 16,
            "hidden_act": "silu",
            "hidden_size": 32,
            "image_size": 112,
            "intermediate_size": 64,
            "model_type": "pixtral",
            "num_attention_heads": 2,
            "num_channels": 3,
            "num_hidden_layers": 2,
            "patch_size": _PATCH,
            "rope_theta": 10000.0,
        },
        "vision_feature_layer": -1,
    }
    processor: Json = {
        **_CLIP,
        "do_convert_rgb": True,
        "do_normalize": True,
        "do_rescale": True,
        "do_resize": True,
        "image_processor_type": "PixtralImageProcessor",
        "patch_size": {"height": _PATCH, "width": _PATCH},
        "processor_class": "PixtralProcessor",
        "resample": 3,
        "rescale_factor": 1 / 255,
        "size": {"longest_edge": 112},
    }
    named: Json = {
        "image_break_token": "[IMG_BREAK]",
        "image_end_token": "[IMG_END]",
        "image_token": "[IMG]",
        "patch_size": _PATCH,
        "processor_class": "PixtralProcessor",
        "spatial_merge_size": 2,
    }
    return SeeingBlueprint(
        text,
        _MISTRAL_TEMPLATE,
        "</s>",
        config,
        {"preprocessor_config.json": processor, "processor_config.json": named},
        {"processor_class": "PixtralProcessor"},
        lessons=(6, 3),
    )


def gemma3() -> SeeingBlueprint:
    """A square of 16 tokens for every picture, and windows that are shorter than most prompts."""
    text = gemma.gemma3_text_window()
    layers: Json = {
        "layer_types": ["sliding_attention", "full_attention"],
        "num_hidden_layers": 2,
        "sliding_window_pattern": 2,
    }
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
        last_specials=("<start_of_image>", "<end_of_image>", "<image_soft_token>"),
        bos="<bos>",
        unknown="<unk>",
    )
    named = {
        "boi_token": "<start_of_image>",
        "eoi_token": "<end_of_image>",
        "image_token": "<image_soft_token>",
    }
    tokens = (_SIDE // _PATCH) ** 2
    vocabulary = tokenizer.get_vocab_size()
    config: Json = {
        "architectures": ["Gemma3ForConditionalGeneration"],
        **{f"{key}_index": token_id(tokenizer, token) for key, token in named.items()},
        "eos_token_id": [1, 6],
        "hidden_size": 64,
        "mm_tokens_per_image": tokens,
        "model_type": "gemma3",
        "pad_token_id": 0,
        "text_config": text.config
        | layers
        | {"mm_tokens_per_image": tokens, "vocab_size": vocabulary},
        "torch_dtype": "bfloat16",
        "vision_config": {
            "attention_dropout": 0.0,
            "hidden_act": "gelu_pytorch_tanh",
            "hidden_size": 32,
            "image_size": _SIDE,
            "intermediate_size": 64,
            "layer_norm_eps": 1e-6,
            "model_type": "siglip_vision_model",
            "num_attention_heads": 2,
            "num_channels": 3,
            "num_hidden_layers": 2,
            "patch_size": _PATCH,
            "vision_use_head": False,
        },
        "vocab_size": vocabulary,
    }
    processor: Json = {
        "do_normalize": True,
        "do_rescale": True,
        "do_resize": True,
        "image_mean": [0.5] * 3,
        "image_processor_type": "Gemma3ImageProcessor",
        "image_seq_length": tokens,
        "image_std": [0.5] * 3,
        "processor_class": "Gemma3Processor",
        "resample": 2,
        "rescale_factor": 1 / 255,
        "size": {"height": _SIDE, "width": _SIDE},
    }
    return SeeingBlueprint(
        TextBlueprint(
            tokenizer=tokenizer,
            tokenizer_config=text.tokenizer_config,
            chat_template="",
            config=text.config,
            generation_config=text.generation_config,
        ),
        _GEMMA_TEMPLATE,
        "<end_of_turn>",
        config,
        {
            "preprocessor_config.json": processor,
            "processor_config.json": {
                "image_seq_length": tokens,
                "processor_class": "Gemma3Processor",
            },
        },
        {**named, "extra_special_tokens": named, "processor_class": "Gemma3Processor"},
        # The loader writes the embedding over it, whatever is stored.
        ("language_model.lm_head.",),
    )


def gemma3n() -> SeeingBlueprint:
    """Tables for every layer, layers that share what others keep, and a tower of convolutions."""
    text = gemma.gemma3_text()
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
        last_specials=(
            "<start_of_image>",
            "<start_of_audio>",
            "<end_of_image>",
            "<image_soft_token>",
            "<end_of_audio>",
            "<audio_soft_token>",
        ),
        bos="<bos>",
        unknown="<unk>",
    )
    named = {
        "audio_token": "<audio_soft_token>",
        "boa_token": "<start_of_audio>",
        "boi_token": "<start_of_image>",
        "eoa_token": "<end_of_audio>",
        "eoi_token": "<end_of_image>",
        "image_token": "<image_soft_token>",
    }
    vocabulary = tokenizer.get_vocab_size()
    config: Json = {
        "architectures": ["Gemma3nForConditionalGeneration"],
        **{f"{key}_id": token_id(tokenizer, token) for key, token in named.items()},
        "audio_config": {
            "conf_attention_chunk_size": 4,
            "conf_attention_context_left": 5,
            "conf_num_attention_heads": 2,
            "conf_num_hidden_layers": 1,
            "hidden_size": 32,
            "input_feat_size": 16,
            "model_type": "gemma3n_audio",
            "rms_norm_eps": 1e-6,
            "sscp_conv_channel_size": [8, 8],
            "vocab_offset": vocabulary - 2,
            "vocab_size": 2,
        },
        "audio_soft_tokens_per_image": 4,
        "eos_token_id": [1, 6],
        "model_type": "gemma3n",
        "text_config": _gemma3n_text(text.config, vocabulary),
        "torch_dtype": "bfloat16",
        "vision_config": {
            "architecture": "mobilenetv5_300m_enc",
            "hidden_size": 32,
            "model_type": "gemma3n_vision",
            "num_classes": 2,
            "rms_norm_eps": 1e-6,
            "vocab_offset": vocabulary - 4,
            "vocab_size": 2,
        },
        "vision_soft_tokens_per_image": _GEMMA3N_TOKENS,
    }
    processor: Json = {
        "do_convert_rgb": None,
        "do_normalize": False,
        "do_rescale": True,
        "do_resize": True,
        "feature_extractor_type": "Gemma3nAudioFeatureExtractor",
        "image_mean": [0.5] * 3,
        "image_processor_type": "SiglipImageProcessorFast",
        "image_seq_length": _GEMMA3N_TOKENS,
        "image_std": [0.5] * 3,
        "processor_class": "Gemma3nProcessor",
        "resample": 2,
        "rescale_factor": 1 / 255,
        "size": {"height": _GEMMA3N_SIDE, "width": _GEMMA3N_SIDE},
    }
    return SeeingBlueprint(
        replace(text, tokenizer=tokenizer),
        _GEMMA_TEMPLATE.replace("<start_of_image>", "<image_soft_token>"),
        "<end_of_turn>",
        config,
        {
            "preprocessor_config.json": processor,
            "processor_config.json": {
                "audio_seq_length": 4,
                "image_seq_length": _GEMMA3N_TOKENS,
                "processor_class": "Gemma3nProcessor",
            },
        },
        {**named, "extra_special_tokens": named, "processor_class": "Gemma3nProcessor"},
        lessons=(6, 2),
        # It speaks, and cannot tell colours yet: that would take minutes.
        learnt=0.2,
        # After a few pictures it looks at less of them, and their order shows in too little.
        takes=0,
    )


def _gemma3n_text(config: Json, vocabulary: int) -> Json:
    layers = 4
    return config | {
        "activation_sparsity_pattern": [0.5, 0.0, 0.0, 0.0],
        "altup_active_idx": 0,
        "altup_coef_clip": 120.0,
        "altup_correct_scale": True,
        "altup_num_inputs": 2,
        "final_logit_softcapping": 30.0,
        "hidden_size_per_layer_input": 16,
        "intermediate_size": [128] * layers,
        "laurel_rank": 8,
        "layer_types": ["sliding_attention", "full_attention"] * 2,
        "model_type": "gemma3n_text",
        "num_hidden_layers": layers,
        "num_kv_shared_layers": 2,
        "sliding_window": 32,
        "vocab_size": vocabulary,
        "vocab_size_per_layer_input": vocabulary - 4,
    }


FAMILIES: Mapping[str, Callable[[], SeeingBlueprint]] = {
    "Qwen2-VL-tiny": qwen2_vl,
    "Mistral-Small-3.1-tiny": mistral3,
    "gemma-3-tiny": gemma3,
    "gemma-3n-tiny": gemma3n,
}
"""By the names of their folders."""
SMALL_TOWERS = frozenset({"gemma-3n-tiny"})
"""No config makes the library's tower so small: `gemma3n.shrink_tower` does, in one process.

They have not learnt to tell colours.
"""
