"""Every checkpoint that the zoo can build, by name. Imports no MLX."""

from collections.abc import Callable, Mapping

from tests.zoo.blueprint import TextBlueprint
from tests.zoo.text import deepseek, gemma, lfm, llama, mistral, qwen, smollm

FAMILIES: Mapping[str, Callable[[], TextBlueprint]] = {
    "Qwen3-tiny": qwen.qwen3,
    "Qwen3-tiny-4bit": qwen.qwen3_4bit,
    "Qwen3-tiny-draft": qwen.qwen3_draft,
    "Qwen3-tiny-wide": qwen.qwen3_wide,
    "DeepSeek-R1-tiny": deepseek.deepseek_r1,
    "DeepSeek-R1-Distill-Qwen-tiny": deepseek.deepseek_r1_distill_qwen,
    "DeepSeek-R1-Distill-Llama-tiny": deepseek.deepseek_r1_distill_llama,
    "DeepSeek-R1-0528-Qwen3-tiny": deepseek.deepseek_r1_0528_qwen3,
    "SmolLM3-tiny": smollm.smollm3,
    "Mistral-Small-2501-tiny": mistral.mistral_small,
    "gemma-3-text-tiny": gemma.gemma3_text,
    "gemma-3-text-tiny-window": gemma.gemma3_text_window,
    "Llama-3.2-tiny": llama.llama32,
    "Llama-4-tiny": llama.llama4,
    "LFM2-tiny": lfm.lfm2,
    "SmolLM2-tiny": smollm.smollm2,
}
# Behind a family's name: the same checkpoint after it has learnt the dialogues of the corpus.
TRAINED = "-trained"
# Their caches cannot be merged: they answer one request at a time.
SERIAL = frozenset({"Llama-4-tiny"})
# A LoRA adapter's name, and the checkpoint that it is for.
ADAPTERS: Mapping[str, str] = {"Qwen3-tiny-adapter": "Qwen3-tiny-trained"}
