"""`/v1/responses`: answers that clients may continue, retrieve and delete."""

import time
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import aclosing
from typing import Annotated, Any, Literal
from uuid import uuid4

import msgspec
from fastapi import APIRouter, Query, Response

from mlx_gui.api.documented import errors_as
from mlx_gui.api.openai.responses.answer import EventFrames, ResponseAnswer, last_event
from mlx_gui.api.openai.responses.offered import Offered, offer
from mlx_gui.api.openai.responses.stored import InjectedResponses, page, whole
from mlx_gui.api.openai.responses.translate import response_object, to_core, to_prompt
from mlx_gui.api.openai.responses.wire.request import InputTokensRequest, ResponseRequest
from mlx_gui.api.openai.responses.wire.response import (
    DeletedResponse,
    ResponseInputTokens,
    ResponseItemList,
    ResponseObject,
)
from mlx_gui.api.serving import Events, InjectedServing
from mlx_gui.api.validation import StrictJsonRoute
from mlx_gui.core.errors import InvalidRequest, MlxGuiError
from mlx_gui.core.generation import GenerateRequest, Tokenized, TokenizeRequest
from mlx_gui.wire.errors import ErrorEnvelope

Ending = Callable[[ResponseAnswer], Awaitable[dict[str, Any]]]

router = APIRouter(
    route_class=StrictJsonRoute,
    tags=["Responses"],
    responses=errors_as(ErrorEnvelope, "4XX", "5XX"),
)


@router.post(
    "/v1/responses",
    operation_id="create_response",
    summary="Answer, and keep the answer for later turns",
    responses={200: {"model": ResponseObject}},
)
async def create_response(
    body: ResponseRequest, serving: InjectedServing, responses: InjectedResponses
) -> Response:
    """The response at once or, with `stream`, as events. Loads the model if need be."""
    model = await serving.model(body.model)
    talk, notices = await responses.conversation(body), serving.notices
    shown = serving.shown(model)

    def ask() -> tuple[Offered, GenerateRequest]:
        offered = offer(body.tools or (), notices)
        return offered, to_core(body, talk.earlier, talk.own, offered=offered, shown=shown)

    offered, core = await serving.translated(ask, also=len(talk.earlier))
    core = await serving.with_pictures(core, shown)
    key = uuid4().hex
    store = responses.storing and body.store is not False
    begun = response_object(
        body,
        id=f"resp_{key}",
        created_at=int(time.time()),
        model=model.id,
        store=store,
        left_out=notices.left_out(),
    )
    answer = ResponseAnswer(begun, key=key, origins=offered.origins)
    events = serving.events(model, core, id=begun["id"], needs="chat", priority=body.priority)

    async def end(answer: ResponseAnswer) -> dict[str, Any]:
        response = answer.complete(now_s=time.time())
        return await responses.keep(response, talk.own, key=key) if store else response

    if not body.stream:
        return _json(await end(await serving.whole(answer, events)))
    frames = EventFrames()

    def failed(error: MlxGuiError, request_id: str) -> bytes:
        return frames.encode(answer.fail(error, request_id))

    return serving.stream(_stream(events, answer, frames, end), error_frame=failed)


@router.post(
    "/v1/responses/input_tokens",
    operation_id="count_response_input_tokens",
    summary="Count the tokens of a response's input",
)
async def count_input_tokens(
    body: InputTokensRequest, serving: InjectedServing, responses: InjectedResponses
) -> ResponseInputTokens:
    """What the model would read, template and tools included. Loads the model if need be."""
    model = await serving.model(body.model)
    talk, shown = await responses.conversation(body), serving.shown(model)

    def ask() -> GenerateRequest:
        offered = offer(body.tools or (), serving.notices)
        return to_prompt(body, talk.earlier, talk.own, offered=offered, shown=shown)

    core = await serving.translated(ask, also=len(talk.earlier))
    core = await serving.with_pictures(core, shown)
    question, id = TokenizeRequest(core), f"count-{uuid4().hex}"
    events = serving.events(model, question, id=id, needs="chat", credits=0)
    tokenized = await serving.only(Tokenized, events)
    return ResponseInputTokens(input_tokens=len(tokenized.ids))


@router.get(
    "/v1/responses/{response_id}",
    operation_id="get_response",
    summary="Retrieve a stored response",
    responses={200: {"model": ResponseObject}},
)
async def get_response(
    response_id: str,
    responses: InjectedResponses,
    stream: Annotated[bool, Query(description="Only false: an answer streams once.")] = False,
) -> Response:
    """The response as it was answered."""
    row = await responses.find(response_id)
    if stream:
        raise InvalidRequest(
            "`stream` should be false: a stored response is not streamed again.",
            hint="Retrieve it whole.",
            param="stream",
        )
    return Response(whole(row), media_type="application/json")


@router.delete(
    "/v1/responses/{response_id}",
    operation_id="delete_response",
    summary="Delete a stored response",
)
async def delete_response(response_id: str, responses: InjectedResponses) -> DeletedResponse:
    """Gone at once, and with it the possibility to continue what followed it."""
    await responses.forget(response_id)
    return DeletedResponse(id=response_id)


@router.get(
    "/v1/responses/{response_id}/input_items",
    operation_id="list_response_input_items",
    summary="List what a stored response was asked with",
)
async def list_input_items(
    response_id: str,
    responses: InjectedResponses,
    after: Annotated[str | None, Query(description="The last id of the page before.")] = None,
    limit: Annotated[int, Query(ge=1, le=100)] = 20,
    order: Annotated[Literal["asc", "desc"], Query(description="By place in the input.")] = "desc",
) -> ResponseItemList:
    """The request's own items; those of the responses before it are listed with those."""
    row = await responses.find(response_id)
    return ResponseItemList(**page(row, after=after, limit=limit, newest_first=order == "desc"))


@router.post(
    "/v1/responses/{response_id}/cancel",
    operation_id="cancel_response",
    summary="Refused: there are no background responses",
    responses={200: {"model": ResponseObject}},
)
async def cancel_response(response_id: str, responses: InjectedResponses) -> Response:
    """Only OpenAI's background responses can be cancelled so; here the client hangs up."""
    await responses.find(response_id)
    raise InvalidRequest(
        f"The response {response_id} is complete: only background responses can be cancelled.",
        hint="Close the connection of an answer that is under way.",
        param="response_id",
    )


def _json(response: dict[str, Any]) -> Response:
    return Response(msgspec.json.encode(response), media_type="application/json")


async def _stream(
    events: Events, answer: ResponseAnswer, frames: EventFrames, end: Ending
) -> AsyncGenerator[bytes]:
    """The last event goes out when the response is stored: who has it can continue it."""
    async with aclosing(events):
        async for event in events:
            if said := answer.feed(event):
                yield frames.encode(said)
    yield frames.encode([last_event(await end(answer))])
