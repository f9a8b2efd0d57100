"""`/v1/tokenize` and `/v1/detokenize`."""

from functools import partial
from uuid import uuid4

from fastapi import APIRouter

from mlx_gui.api.documented import errors_as
from mlx_gui.api.openai.tokens.translate import tokenize_answer, tokenize_request
from mlx_gui.api.openai.tokens.wire import (
    DetokenizeAnswer,
    DetokenizeBody,
    TokenizeAnswer,
    TokenizeBody,
)
from mlx_gui.api.present_models import context_tokens
from mlx_gui.api.serving import InjectedServing
from mlx_gui.api.validation import StrictJsonRoute
from mlx_gui.core.ask import needs_of
from mlx_gui.core.generation import Detokenized, DetokenizeRequest, Tokenized
from mlx_gui.wire.errors import ErrorEnvelope

router = APIRouter(
    route_class=StrictJsonRoute,
    tags=["Tokens"],
    responses=errors_as(ErrorEnvelope, "4XX", "5XX"),
)


@router.post(
    "/v1/tokenize",
    operation_id="tokenize",
    summary="Show a prompt's tokens",
    response_model_exclude_none=True,
)
async def tokenize(body: TokenizeBody, serving: InjectedServing) -> TokenizeAnswer:
    """The tokens of a text, or of a conversation as the model reads it. Loads the model."""
    model = await serving.model(body.model)
    shown = serving.shown(model)
    question = await serving.translated(partial(tokenize_request, body, shown=shown))
    question = await serving.with_pictures(question, shown)
    needs = needs_of(question.request)
    events = serving.events(model, question, id=f"tok-{uuid4().hex}", needs=needs, credits=0)
    tokenized = await serving.only(Tokenized, events)
    return tokenize_answer(body, tokenized, context_tokens(serving.services, model))


@router.post("/v1/detokenize", operation_id="detokenize", summary="Show the text of tokens")
async def detokenize(body: DetokenizeBody, serving: InjectedServing) -> DetokenizeAnswer:
    """The text that token ids stand for, special tokens included. Loads the model."""
    model = await serving.model(body.model)
    question = DetokenizeRequest(tuple(body.tokens))
    id = f"detok-{uuid4().hex}"
    events = serving.events(model, question, id=id, needs="completion", credits=0)
    return DetokenizeAnswer(prompt=(await serving.only(Detokenized, events)).text)
