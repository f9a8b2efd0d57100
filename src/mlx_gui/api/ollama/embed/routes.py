"""`/api/embed`, and `/api/embeddings` as older programs know it."""

from uuid import uuid4

import msgspec
from fastapi import APIRouter, Response

from mlx_gui.api.documented import errors_as
from mlx_gui.api.hangup import first_of, hang_up
from mlx_gui.api.ollama.answers import Stopwatch
from mlx_gui.api.ollama.embed.wire import (
    OllamaEmbedAnswer,
    OllamaEmbeddingsAnswer,
    OllamaEmbeddingsRequest,
    OllamaEmbedRequest,
)
from mlx_gui.api.ollama.errors import OllamaError
from mlx_gui.api.ollama.route import AnyTypeJsonRoute
from mlx_gui.api.ollama.serving import load_or_unload
from mlx_gui.api.serving import InjectedServing, Serving
from mlx_gui.api.vectors import Vectors, floats, written
from mlx_gui.core.capabilities import check_capability
from mlx_gui.core.model import Model
from mlx_gui.kinds.embedding import EmbedRequest

router = APIRouter(
    route_class=AnyTypeJsonRoute,
    tags=["Ollama"],
    responses=errors_as(OllamaError, "4XX", "5XX"),
)


@router.post(
    "/api/embed",
    operation_id="ollama_embed",
    summary="Make vectors of texts, as Ollama does",
    response_model=OllamaEmbedAnswer,
)
async def embed(body: OllamaEmbedRequest, serving: InjectedServing) -> Response:
    """A vector for each text. Loads the model if need be."""
    stopwatch = Stopwatch()
    model = await serving.model(body.model)
    asked = EmbedRequest(
        tuple(body.input or ()),
        body.dimensions or None,
        truncate=body.truncate is not False,
        normalize=True,
    )
    vectors = await _vectors(serving, model, asked, stopwatch, keep_alive_s=body.keep_alive)
    before = msgspec.json.encode({"model": body.model})[:-1] + b',"embeddings":['
    counts = {**stopwatch.durations(), "prompt_eval_count": vectors.usage.prompt_tokens}
    after = b"]," + msgspec.json.encode(counts)[1:]
    return written(before, vectors.in_order(), lambda _, vector: floats(vector), after=after)


@router.post(
    "/api/embeddings",
    operation_id="ollama_embeddings",
    summary="Make a vector of one text, as older programs ask Ollama",
    response_model=OllamaEmbeddingsAnswer,
)
async def embeddings(body: OllamaEmbeddingsRequest, serving: InjectedServing) -> Response:
    """The vector of one text. Loads the model if need be."""
    model = await serving.model(body.model)
    asked = EmbedRequest((body.prompt,) if body.prompt else (), truncate=True)
    vectors = await _vectors(serving, model, asked, Stopwatch(), keep_alive_s=body.keep_alive)
    found = [floats(each) for each in vectors.in_order()]
    shown = OllamaEmbeddingsAnswer(embedding=found[0] if found else [])
    return Response(shown.model_dump_json(), media_type="application/json")


async def _vectors(
    serving: Serving,
    model: Model,
    asked: EmbedRequest,
    stopwatch: Stopwatch,
    *,
    keep_alive_s: float | None,
) -> Vectors:
    """Those of the texts; without any the model is loaded, or with a time of 0 unloaded."""
    vectors = Vectors(len(asked.inputs))
    if not asked.inputs:
        check_capability(model, "embedding")
        loading = load_or_unload(serving.services, model, keep_alive_s)
        await first_of(loading, hang_up(serving.request.receive))
        vectors.complete()
        return vectors
    events = serving.events(
        model, asked, id=f"embd-{uuid4().hex}", needs="embedding", keep_alive_s=keep_alive_s
    )
    return await serving.whole(vectors, stopwatch.watch(events))
