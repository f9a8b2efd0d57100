"""What a text checkpoint consists of before there are weights."""

from dataclasses import dataclass
from typing import Any, Literal

from tokenizers import Tokenizer

Json = dict[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class TextBlueprint:
    """One checkpoint without its weights; `bits` means quantized in groups of 64."""

    tokenizer: Tokenizer
    tokenizer_config: Json
    chat_template: str
    template_place: Literal["chat_template.jinja", "tokenizer_config.json"] = "chat_template.jinja"
    config: Json
    generation_config: Json
    bits: Literal[4, 8] | None = None
    shards: int = 1
