"""`/v1/completions`."""

import asyncio
from functools import partial
from typing import Annotated

from fastapi import APIRouter, Request, Response

from mlx_gui.api.answers import Gathering, encoded, gather
from mlx_gui.api.auth import Principal, requires
from mlx_gui.api.bodies import translated
from mlx_gui.api.notices import RequestNotices
from mlx_gui.api.openai.completions.together import together
from mlx_gui.api.openai.completions.translate import ChunkEncoder, completion, to_core
from mlx_gui.api.openai.completions.wire import Completion, CompletionRequest
from mlx_gui.api.openai.translate import AnswerHead, error_frames, includes_usage, new_head
from mlx_gui.api.priority import RequestPriority
from mlx_gui.api.services import InjectedServices
from mlx_gui.api.sse import EventStreamResponse
from mlx_gui.api.validation import StrictJsonRoute
from mlx_gui.wire.errors import ErrorEnvelope

PROMPTS_AT_ONCE = 16
"""Of one request, so that its others do not fill the model's queue."""

router = APIRouter(
    route_class=StrictJsonRoute,
    tags=["Completions"],
    responses={"4XX": {"model": ErrorEnvelope}, "5XX": {"model": ErrorEnvelope}},
)


@router.post(
    "/v1/completions",
    operation_id="create_completion",
    summary="Continue one or several texts",
    responses={200: {"model": Completion}},
)
async def create_completion(
    body: CompletionRequest,
    request: Request,
    services: InjectedServices,
    notices: RequestNotices,
    who: Annotated[Principal, requires("inference")],
    priority: RequestPriority = 0,
) -> Response:
    """The texts' continuations at once or, with `stream`, as server-sent chunks.

    Prompts are answered side by side. One that fails ends them all. Loads the model if need be.
    """
    model = await services.library.find(body.model)
    head, logprobs = new_head("cmpl", model.id), body.logprobs is not None
    prompts = await translated(
        request, partial(to_core, body, tenant=who.tenant, priority=priority)
    )
    streams = [
        services.dispatch.events(model, prompt, request_id=f"{head.id}-{number}")
        for number, prompt in enumerate(prompts)
    ]
    at_once = min(PROMPTS_AT_ONCE, services.config.max_queue)
    events = notices.watch(together(streams, n=body.n or 1, at_once=at_once))
    if not body.stream:
        gathered = await gather(events, request.receive)
        # Log-probabilities of long prompts take a while to be written.
        write = partial(_whole, head, gathered, logprobs=logprobs)
        content = await asyncio.to_thread(write) if logprobs else write()
        return Response(content, media_type="application/json")
    encoder = ChunkEncoder(head, logprobs=logprobs, include_usage=includes_usage(body))
    return EventStreamResponse(
        encoded(events, encoder.encode),
        error_frame=partial(error_frames, request_id=request.state.request_id),
        stall_s=services.config.client_stall_s,
        commit_s=services.config.stream_commit_s,
    )


def _whole(head: AnswerHead, gathered: Gathering, *, logprobs: bool) -> str:
    return completion(head, gathered, logprobs=logprobs).model_dump_json()
