"""How both endpoints answer: a stream, a whole, or the load or unload that an empty one means."""

import json
from collections.abc import AsyncGenerator
from contextlib import aclosing
from functools import partial
from uuid import uuid4

import structlog
from fastapi import Request, Response

from mlx_gui.api.answers import encoded, gather
from mlx_gui.api.hangup import first_of, hang_up
from mlx_gui.api.notices import Notices
from mlx_gui.api.ollama.answers import AnswerWriter, Body, Stopwatch
from mlx_gui.api.ollama.errors import error_line
from mlx_gui.api.ollama.route import NDJSON
from mlx_gui.api.ollama.wire import Question
from mlx_gui.api.present_models import context_tokens
from mlx_gui.api.services import Services
from mlx_gui.api.sse import EventStreamResponse
from mlx_gui.core.errors import CapabilityMissing, Conflict
from mlx_gui.core.generation import GenerateRequest, GenerationEvent, Prepared
from mlx_gui.core.model import Model

CONTEXT_HEADER = "x-context-tokens"

log: structlog.stdlib.BoundLogger = structlog.get_logger(__name__)


async def answer(
    services: Services,
    request: Request,
    body: Question,
    *,
    notices: Notices,
    asked: GenerateRequest | None,
    own_fields: Body,
) -> Response:
    """The answer to `asked`; None loads or unloads the model.

    Raises ModelNotFound, and CapabilityMissing for thoughts of a model that has none.
    """
    stopwatch = Stopwatch()
    model = await services.library.find(body.model)
    _check_thinking(body, model)
    writer = AnswerWriter(body.model, own_fields, stopwatch)
    if asked is None:
        done_reason = await first_of(
            _load_or_unload(services, model, body.keep_alive), hang_up(request.receive)
        )
        return Response(writer.empty(done_reason), media_type="application/json")
    response = await _generated(
        services, request, body, asked, model, writer, stopwatch, notices=notices
    )
    _tell_context(services, response, model, body)
    return response


def _check_thinking(body: Question, model: Model) -> None:
    """Raises CapabilityMissing in Ollama's words for thoughts of a model that has none."""
    if body.think and model.facts is not None and "thinking" not in model.facts.capabilities:
        raise CapabilityMissing(
            f"{json.dumps(body.model, ensure_ascii=False)} does not support thinking",
            hint="Leave `think` out, or ask a model whose capabilities in /api/show name it.",
            param="think",
        )


async def _generated(
    services: Services,
    request: Request,
    body: Question,
    asked: GenerateRequest,
    model: Model,
    writer: AnswerWriter,
    stopwatch: Stopwatch,
    *,
    notices: Notices,
) -> Response:
    events = services.dispatch.events(
        model, asked, request_id=f"ollama-{uuid4().hex}", keep_alive_s=body.keep_alive
    )
    events = stopwatch.watch(notices.watch(_logged(events, model)))
    if body.stream is False:
        whole = writer.whole(await gather(events, request.receive))
        return Response(whole, media_type="application/json")
    return EventStreamResponse(
        encoded(events, writer.line),
        error_frame=partial(error_line, request_id=request.state.request_id),
        stall_s=services.config.client_stall_s,
        commit_s=services.config.stream_commit_s,
        keep_alive=b"",
        media_type=NDJSON,
    )


async def _logged(
    events: AsyncGenerator[GenerationEvent], model: Model
) -> AsyncGenerator[GenerationEvent]:
    """The same `events`; the log says of a conversation that was too long what was dropped."""
    async with aclosing(events):
        async for event in events:
            if isinstance(event, Prepared) and (event.truncated_messages or event.truncated_tokens):
                log.info(
                    "oldest_turns_dropped",
                    model=model.id,
                    messages=event.truncated_messages,
                    tokens=event.truncated_tokens,
                    prompt_tokens=event.prompt_tokens,
                )
            yield event


async def _load_or_unload(services: Services, model: Model, keep_alive_s: float | None) -> str:
    """The `done_reason`. A model that still answers is unloaded when it has finished."""
    if keep_alive_s != 0:
        await services.device.ensure()
        await services.run_loop.load(model, keep_alive_s=keep_alive_s)
        return "load"
    try:
        await services.run_loop.unload(model)
    except Conflict:
        await services.run_loop.keep(model, 0)
    return "unload"


def _tell_context(services: Services, response: Response, model: Model, body: Question) -> None:
    """Say how much the model's context holds when `num_ctx` asks for more.

    It is loaded with one context for everybody; a prompt that is too long for it is refused.
    """
    wanted = body.options.num_ctx if body.options else None
    if wanted is None:
        return
    held = context_tokens(services, model)
    if held is not None and wanted > held:
        log.info("context_smaller_than_asked", model=model.id, asked=wanted, tokens=held)
        response.headers[CONTEXT_HEADER] = str(held)
