"""`/metrics`: figures for Prometheus and what reads like it."""

import asyncio

from fastapi import APIRouter, Response
from prometheus_client import CONTENT_TYPE_PLAIN_0_0_4

from mlx_gui.api.auth import requires
from mlx_gui.api.documented import errors_as
from mlx_gui.api.injected import InjectedServices
from mlx_gui.api.manage.metrics.translate import moment_of
from mlx_gui.api.manage.present import present_memory
from mlx_gui.version import __version__
from mlx_gui.wire.errors import ErrorEnvelope

router = APIRouter(
    tags=["Server"],
    dependencies=[requires("models:read")],
    responses=errors_as(ErrorEnvelope, "4XX"),
)


@router.get(
    "/metrics",
    operation_id="get_metrics",
    summary="Figures for Prometheus",
    response_class=Response,
    responses={200: {"content": {"text/plain": {"schema": {"type": "string"}}}}},
)
async def get_metrics(services: InjectedServices) -> Response:
    """Requests, tokens and durations since the server started; models, queues and memory now."""
    moment = moment_of(
        services.models.run_loop.snapshot(),
        present_memory(services),
        spans=services.requests.tracing.counts,
        version=__version__,
    )
    # Thousands of lines where there are many models: they hold nobody up beside the event loop.
    figures = await asyncio.to_thread(services.requests.metrics.exposition, moment)
    return Response(figures, media_type=CONTENT_TYPE_PLAIN_0_0_4)
