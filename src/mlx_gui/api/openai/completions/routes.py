"""`/v1/completions`."""

import asyncio
from functools import partial

from fastapi import APIRouter, Response

from mlx_gui.api.answers import Gathering, encoded
from mlx_gui.api.documented import errors_as
from mlx_gui.api.openai.completions.together import together
from mlx_gui.api.openai.completions.translate import ChunkEncoder, completion, to_core
from mlx_gui.api.openai.completions.wire import Completion, CompletionRequest
from mlx_gui.api.openai.translate import AnswerHead, error_frames, includes_usage, new_head
from mlx_gui.api.serving import InjectedServing
from mlx_gui.api.validation import StrictJsonRoute
from mlx_gui.core.ask import needs_of
from mlx_gui.wire.errors import ErrorEnvelope

PROMPTS_AT_ONCE = 16
"""Of one request, so that its others do not fill the model's queue."""

router = APIRouter(
    route_class=StrictJsonRoute,
    tags=["Completions"],
    responses=errors_as(ErrorEnvelope, "4XX", "5XX"),
)


@router.post(
    "/v1/completions",
    operation_id="create_completion",
    summary="Continue one or several texts",
    responses={200: {"model": Completion}},
)
async def create_completion(body: CompletionRequest, serving: InjectedServing) -> Response:
    """The texts' continuations at once or, with `stream`, as server-sent chunks.

    Prompts are answered side by side. One that fails ends them all. Loads the model if need be.
    """
    model = await serving.model(body.model)
    head, logprobs = new_head("cmpl", model.id), body.logprobs is not None
    prompts = await serving.translated(partial(to_core, body))
    streams = [
        serving.events(
            model,
            prompt,
            id=f"{head.id}-{number}",
            needs=needs_of(prompt),
            credits=prompt.n,
            priority=body.priority,
        )
        for number, prompt in enumerate(prompts)
    ]
    at_once = min(PROMPTS_AT_ONCE, serving.services.server.config.max_queue)
    events = together(streams, n=body.n or 1, at_once=at_once)
    if not body.stream:
        gathered = await serving.whole(Gathering(), events)
        # Log-probabilities of long prompts take a while to be written.
        write = partial(_whole, head, gathered, logprobs=logprobs)
        content = await asyncio.to_thread(write) if logprobs else write()
        return Response(content, media_type="application/json")
    encoder = ChunkEncoder(head, logprobs=logprobs, include_usage=includes_usage(body))
    return serving.stream(encoded(events, encoder.encode), error_frame=error_frames)


def _whole(head: AnswerHead, gathered: Gathering, *, logprobs: bool) -> str:
    return completion(head, gathered, logprobs=logprobs).model_dump_json()
