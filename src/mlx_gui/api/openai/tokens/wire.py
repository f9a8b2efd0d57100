"""The JSON of `/v1/tokenize` and `/v1/detokenize`, in vLLM's shapes. Unknown fields are ignored."""

from typing import Annotated

from pydantic import BaseModel, Field

from mlx_gui.api.fields import Strict
from mlx_gui.api.openai.chat.wire import Messages, PromptFields
from mlx_gui.api.openai.wire import MAX_TOKEN_ID

TokenId = Annotated[int, Field(ge=0, le=MAX_TOKEN_ID)]


class TokenizeBody(PromptFields):
    """Either `prompt`, taken as it is, or `messages`, as the chat template makes a prompt of them.

    `add_special_tokens`, true unless given, is about what begins a raw prompt.
    """

    model: str
    prompt: str | None = None
    messages: Messages | None = None
    add_special_tokens: bool | None = None
    return_token_strs: bool | None = None


class TokenizeAnswer(BaseModel):
    """`max_model_len` is the context, of prompt and answer together, that the model has here."""

    count: int
    max_model_len: int | None
    tokens: list[int]
    token_strs: list[str] | None = None


class DetokenizeBody(Strict):
    """Token ids of the model's own tokenizer."""

    model: str
    tokens: list[TokenId]


class DetokenizeAnswer(BaseModel):
    """What the tokens read as, special ones included."""

    prompt: str
