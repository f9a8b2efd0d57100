"""`/v1/embeddings`."""

from functools import partial
from uuid import uuid4

from fastapi import APIRouter, Response

from mlx_gui.api.documented import errors_as
from mlx_gui.api.openai.embeddings.translate import answer, to_core
from mlx_gui.api.openai.embeddings.wire import EmbeddingList, EmbeddingsRequest
from mlx_gui.api.serving import InjectedServing
from mlx_gui.api.validation import StrictJsonRoute
from mlx_gui.api.vectors import Vectors
from mlx_gui.wire.errors import ErrorEnvelope

router = APIRouter(
    route_class=StrictJsonRoute,
    tags=["Embeddings"],
    responses=errors_as(ErrorEnvelope, "4XX", "5XX"),
)


@router.post(
    "/v1/embeddings",
    operation_id="create_embeddings",
    summary="Make vectors of texts",
    response_model=EmbeddingList,
)
async def create_embeddings(body: EmbeddingsRequest, serving: InjectedServing) -> Response:
    """A vector for each text, so that texts can be compared. Loads the model."""
    model = await serving.model(body.model)
    request = await serving.translated(partial(to_core, body))
    events = serving.events(
        model, request, id=f"embd-{uuid4().hex}", needs="embedding", priority=body.priority
    )
    vectors = await serving.whole(Vectors(len(body.input)), events)
    return answer(body, model.id, vectors)
