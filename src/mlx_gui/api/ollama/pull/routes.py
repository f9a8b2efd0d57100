"""`/api/pull`."""

from collections.abc import AsyncGenerator
from contextlib import aclosing

from fastapi import APIRouter, Request, Response

from mlx_gui.api.auth import requires
from mlx_gui.api.documented import errors_as
from mlx_gui.api.hangup import first_of, hang_up
from mlx_gui.api.injected import InjectedServices
from mlx_gui.api.ollama.errors import OllamaError, error_line
from mlx_gui.api.ollama.pull.translate import progress_of, wanted_model
from mlx_gui.api.ollama.pull.wire import OllamaPullProgress, OllamaPullRequest
from mlx_gui.api.ollama.route import NDJSON, AnyTypeJsonRoute, object_or_lines
from mlx_gui.api.services import Services
from mlx_gui.api.sse import EventStreamResponse, json_line
from mlx_gui.core.errors import MlxGuiError
from mlx_gui.core.job import Job

router = APIRouter(
    route_class=AnyTypeJsonRoute,
    tags=["Ollama"],
    dependencies=[requires("models:manage")],
    responses=errors_as(OllamaError, "4XX", "5XX"),
)


@router.post(
    "/api/pull",
    operation_id="ollama_pull",
    summary="Download a model from the hub, as Ollama does",
    responses={200: object_or_lines(OllamaPullProgress)},
)
async def pull(body: OllamaPullRequest, request: Request, services: InjectedServices) -> Response:
    """How far it is, in lines of JSON; with `stream` off one object, once the model is there.

    The download goes on when nobody listens any more.
    """
    model_id = wanted_model(body)
    await services.models.library.listed()
    if body.stream is False:
        last = await first_of(_last(_progress(services, model_id)), hang_up(request.receive))
        return Response(_line(last), media_type="application/json")
    return EventStreamResponse(
        _lines(_progress(services, model_id)),
        error_frame=lambda error: _error_line(request, error),
        stall_s=services.server.config.client_stall_s,
        keep_alive=b"",
        media_type=NDJSON,
    )


async def _progress(services: Services, model_id: str) -> AsyncGenerator[OllamaPullProgress]:
    """Each line once. Raises why the model does not come."""
    found = await services.downloads.install(model_id)
    yield OllamaPullProgress(status="pulling manifest")
    if not isinstance(found, Job):
        yield OllamaPullProgress(status="success")
        return
    said: OllamaPullProgress | None = None
    async for job in services.jobs.follow(found.id):
        for line in progress_of(job):
            if line != said:
                yield line
            said = line


async def _last(lines: AsyncGenerator[OllamaPullProgress]) -> OllamaPullProgress:
    last = OllamaPullProgress(status="success")
    async with aclosing(lines):
        async for line in lines:
            last = line
    return last


async def _lines(lines: AsyncGenerator[OllamaPullProgress]) -> AsyncGenerator[bytes]:
    async with aclosing(lines):
        async for line in lines:
            yield _line(line)


def _line(line: OllamaPullProgress) -> bytes:
    return json_line(line.model_dump_json(exclude_none=True).encode())


def _error_line(request: Request, error: MlxGuiError) -> bytes:
    return error_line(error, request.state.request_id)
