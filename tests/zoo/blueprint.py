"""What a text checkpoint consists of before there are weights."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

from tokenizers import Tokenizer

Json = dict[str, Any]


@dataclass(frozen=True, slots=True)
class CallForm:
    """What stands before, between and behind the JSON of tool calls."""

    before: str
    between: str
    behind: str

    def write(self, calls: Sequence[str]) -> str:
        return self.before + self.between.join(calls) + self.behind


TAGGED_CALLS = CallForm("<tool_call>\n", "\n</tool_call>\n<tool_call>\n", "\n</tool_call>")
LISTED_CALLS = CallForm("[TOOL_CALLS][", ", ", "]")


@dataclass(frozen=True, slots=True, kw_only=True)
class TextBlueprint:
    """One checkpoint without its weights; `bits` means quantized in groups of 64.

    `call_form` is how the family writes tool calls, None where its template knows no tools.
    """

    tokenizer: Tokenizer
    tokenizer_config: Json
    chat_template: str
    template_place: Literal["chat_template.jinja", "tokenizer_config.json"] = "chat_template.jinja"
    config: Json
    generation_config: Json
    bits: Literal[4, 8] | None = None
    shards: int = 1
    call_form: CallForm | None = None
