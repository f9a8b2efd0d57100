"""`/v1/tokenize` and `/v1/detokenize`."""

from functools import partial
from typing import Annotated
from uuid import uuid4

from fastapi import APIRouter, Request

from mlx_gui.api.answers import only
from mlx_gui.api.auth import Principal, requires
from mlx_gui.api.bodies import translated
from mlx_gui.api.notices import RequestNotices
from mlx_gui.api.openai.tokens.translate import tokenize_answer, tokenize_request
from mlx_gui.api.openai.tokens.wire import (
    DetokenizeAnswer,
    DetokenizeBody,
    TokenizeAnswer,
    TokenizeBody,
)
from mlx_gui.api.present_models import context_tokens
from mlx_gui.api.services import InjectedServices
from mlx_gui.api.validation import StrictJsonRoute
from mlx_gui.core.generation import Detokenized, DetokenizeRequest, Tokenized
from mlx_gui.wire.errors import ErrorEnvelope

router = APIRouter(
    route_class=StrictJsonRoute,
    tags=["Tokens"],
    responses={"4XX": {"model": ErrorEnvelope}, "5XX": {"model": ErrorEnvelope}},
)


@router.post(
    "/v1/tokenize",
    operation_id="tokenize",
    summary="Show a prompt's tokens",
    response_model_exclude_none=True,
)
async def tokenize(
    body: TokenizeBody,
    request: Request,
    services: InjectedServices,
    notices: RequestNotices,
    who: Annotated[Principal, requires("inference")],
) -> TokenizeAnswer:
    """The tokens of a text, or of a conversation as the model reads it. Loads the model."""
    model = await services.library.find(body.model)
    question = await translated(
        request, partial(tokenize_request, body, notices=notices, tenant=who.tenant)
    )
    events = services.dispatch.events(model, question, request_id=f"tok-{uuid4().hex}")
    tokenized = await only(events, Tokenized, request.receive)
    return tokenize_answer(body, tokenized, context_tokens(services, model))


@router.post("/v1/detokenize", operation_id="detokenize", summary="Show the text of tokens")
async def detokenize(
    body: DetokenizeBody,
    request: Request,
    services: InjectedServices,
    _: Annotated[Principal, requires("inference")],
) -> DetokenizeAnswer:
    """The text that token ids stand for, special tokens included. Loads the model."""
    model = await services.library.find(body.model)
    events = services.dispatch.events(
        model, DetokenizeRequest(tuple(body.tokens)), request_id=f"detok-{uuid4().hex}"
    )
    detokenized = await only(events, Detokenized, request.receive)
    return DetokenizeAnswer(prompt=detokenized.text)
