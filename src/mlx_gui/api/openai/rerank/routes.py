"""`/v1/rerank`, and `/v2/rerank` as newer clients of Cohere call it."""

from typing import Literal
from uuid import uuid4

from fastapi import APIRouter, Response

from mlx_gui.api.openai.rerank.translate import answer, left_out, needed, to_core
from mlx_gui.api.openai.rerank.wire import RerankAnswer, RerankBody
from mlx_gui.api.serving import InjectedServing, Serving
from mlx_gui.api.validation import StrictJsonRoute
from mlx_gui.api.vectors import Vectors
from mlx_gui.wire.errors import ErrorEnvelope

router = APIRouter(
    route_class=StrictJsonRoute,
    tags=["Reranking"],
    responses={"4XX": {"model": ErrorEnvelope}, "5XX": {"model": ErrorEnvelope}},
)


@router.post(
    "/v1/rerank",
    operation_id="rerank",
    summary="Order documents by how well they answer a query",
    response_model=RerankAnswer,
    response_model_exclude_none=True,
)
async def rerank(body: RerankBody, serving: InjectedServing) -> Response:
    """The documents, the best first. Loads the model."""
    return await _reranked(body, serving, version="1")


@router.post(
    "/v2/rerank",
    operation_id="rerank_2",
    summary="The same, by the path of Cohere's second version",
    response_model=RerankAnswer,
    response_model_exclude_none=True,
)
async def rerank_2(body: RerankBody, serving: InjectedServing) -> Response:
    """The documents, the best first. Loads the model."""
    return await _reranked(body, serving, version="2")


async def _reranked(body: RerankBody, serving: Serving, *, version: Literal["1", "2"]) -> Response:
    model = await serving.model(body.model)
    serving.notices.leave_out(left_out(body))
    id = f"rerank-{uuid4().hex}"
    events = serving.events(
        model, to_core(body), id=id, needs=needed(model), priority=body.priority
    )
    scores = await serving.whole(Vectors(len(body.documents)), events)
    told = answer(body, scores, id=id, model=model, version=version)
    return Response(told.model_dump_json(exclude_none=True), media_type="application/json")
