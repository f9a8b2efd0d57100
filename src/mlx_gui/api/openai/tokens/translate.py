"""Requests about tokens, JSON ↔ core, nothing else."""

from mlx_gui.api.openai.chat.translate import prompt_of
from mlx_gui.api.openai.tokens.wire import TokenizeAnswer, TokenizeBody
from mlx_gui.api.pictures import Shown
from mlx_gui.core.errors import InvalidRequest
from mlx_gui.core.generation import GenerateRequest, Tokenized, TokenizeRequest


def tokenize_request(body: TokenizeBody, *, shown: Shown) -> TokenizeRequest:
    """The canonical request. Raises InvalidRequest unless there is one kind of prompt."""
    if (body.prompt is None) == (body.messages is None):
        both = body.prompt is not None
        raise InvalidRequest(
            "`prompt` and `messages` exclude each other."
            if both
            else "`prompt` or `messages` is required.",
            hint="Send a text as `prompt`, or a conversation as `messages`.",
            param="messages" if both else "prompt",
        )
    if body.messages is not None:
        return TokenizeRequest(prompt_of(body, body.messages, shown=shown))
    raw = GenerateRequest(prompt=body.prompt)
    return TokenizeRequest(raw, special=body.add_special_tokens is not False)


def tokenize_answer(
    body: TokenizeBody, tokenized: Tokenized, context: int | None
) -> TokenizeAnswer:
    """The ids, with their texts where these are asked for."""
    return TokenizeAnswer(
        count=len(tokenized.ids),
        max_model_len=context,
        tokens=list(tokenized.ids),
        token_strs=list(tokenized.texts) if body.return_token_strs else None,
    )
