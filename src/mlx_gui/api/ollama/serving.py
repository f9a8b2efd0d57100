"""How both endpoints answer: a stream, a whole, or the load or unload that an empty one means."""

import json
from contextlib import aclosing
from uuid import uuid4

import structlog
from fastapi import Response

from mlx_gui.api.answers import Gathering, encoded
from mlx_gui.api.hangup import first_of, hang_up
from mlx_gui.api.ollama.answers import AnswerWriter, Body, Stopwatch
from mlx_gui.api.ollama.errors import error_line
from mlx_gui.api.ollama.route import NDJSON
from mlx_gui.api.ollama.wire import Question
from mlx_gui.api.present_models import context_tokens
from mlx_gui.api.services import Services
from mlx_gui.api.serving import Events, Serving
from mlx_gui.core.ask import needs_of
from mlx_gui.core.errors import CapabilityMissing, Conflict
from mlx_gui.core.generation import GenerateRequest, Prepared
from mlx_gui.core.model import Model

CONTEXT_HEADER = "x-context-tokens"

log: structlog.stdlib.BoundLogger = structlog.get_logger(__name__)


async def answer(
    serving: Serving,
    body: Question,
    model: Model,
    *,
    asked: GenerateRequest | None,
    own_fields: Body,
) -> Response:
    """The answer of `model` to `asked`; None loads or unloads it.

    Raises CapabilityMissing for thoughts of a model that has none.
    """
    stopwatch = Stopwatch()
    services = serving.services
    _check_thinking(body, model)
    writer = AnswerWriter(body.model, own_fields, stopwatch)
    if asked is None:
        done_reason = await first_of(
            load_or_unload(services, model, body.keep_alive), hang_up(serving.request.receive)
        )
        return Response(writer.empty(done_reason), media_type="application/json")
    id = f"ollama-{uuid4().hex}"
    events = serving.events(
        model, asked, id=id, needs=needs_of(asked), keep_alive_s=body.keep_alive
    )
    response = await _written(serving, body, stopwatch.watch(_logged(events, model)), writer)
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


async def _written(
    serving: Serving, body: Question, events: Events, writer: AnswerWriter
) -> Response:
    if body.streams:
        frames = encoded(events, writer.line)
        return serving.stream(frames, error_frame=error_line, keep_alive=b"", media_type=NDJSON)
    whole = writer.whole(await serving.whole(Gathering(), events))
    return Response(whole, media_type="application/json")


async def _logged(events: Events, model: Model) -> Events:
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


async def load_or_unload(services: Services, model: Model, keep_alive_s: float | None) -> str:
    """What a question without anything in it means; returns the `done_reason`.

    A model that still answers is unloaded when it has finished.
    """
    if keep_alive_s != 0:
        await services.machine.device.ensure()
        await services.models.run_loop.load(model, keep_alive_s=keep_alive_s)
        return "load"
    try:
        await services.models.run_loop.unload(model)
    except Conflict:
        await services.models.run_loop.keep(model, 0)
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
