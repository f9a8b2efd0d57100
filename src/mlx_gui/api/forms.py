"""Routes whose body is a form of several parts (multipart/form-data), and what is in the form."""

from collections.abc import AsyncGenerator
from functools import partial
from typing import Any, TypeVar

from fastapi import Depends, Request
from fastapi.routing import APIRoute
from pydantic import BaseModel, ValidationError
from python_multipart.multipart import parse_options_header
from starlette.requests import ClientDisconnect

from mlx_gui.api.form_reader import Form, FormReader, unreadable
from mlx_gui.api.injected import InjectedServices
from mlx_gui.api.intake import FORM, Intake
from mlx_gui.api.validation import invalid_request
from mlx_gui.core.errors import Cancelled, InvalidRequest
from mlx_gui.store.uploads import Uploads

B = TypeVar("B", bound=BaseModel)

_STEP_BYTES = 256 * 1024


class FormRoute(APIRoute):
    """A route whose body is a form; its function has a parameter `form_of`."""

    @property
    def intake(self) -> Intake:
        """What it takes of bodies."""
        return FORM


def form_of(*file_fields: str) -> Any:
    """The form that was sent, for a parameter of a route; its files last until the answer ends.

    `file_fields` may have files. Raises InvalidRequest for what is no such form, and StoreError or
    DiskFull where files cannot be kept.
    """

    async def received(request: Request, services: InjectedServices) -> AsyncGenerator[Form]:
        async with services.uploads.of_request() as files:
            reader = FormReader(_boundary(request), files, file_fields=file_fields)
            yield await _read(request, reader, services.uploads)

    return Depends(received)


def texts_of(form: Form, model: type[B]) -> B:
    """The texts of `form`, checked; a field whose name ends in `[]` is a list.

    Forms send all of their fields: what was left empty is not there. Raises InvalidRequest.
    """
    values: dict[str, object] = {}
    for name, sent in form.texts.items():
        texts = [text for text in sent if text]
        if not texts:
            continue
        if name.endswith("[]"):
            values[name] = texts
        elif len(texts) == 1:
            values[name] = texts[0]
        elif name in _names(model):
            raise InvalidRequest(
                f"`{name}` is there {len(texts)} times.", hint="Send it once.", param=name
            )
    try:
        return model.model_validate(values)
    except ValidationError as error:
        problems = [{**each, "loc": ("body", *each["loc"])} for each in error.errors()]
        raise invalid_request(problems) from None


def _names(model: type[BaseModel]) -> set[str]:
    return {each.alias or name for name, each in model.model_fields.items()}


async def _read(request: Request, reader: FormReader, uploads: Uploads) -> Form:
    pieces: list[bytes] = []
    held_bytes = 0
    try:
        async for piece in request.stream():
            pieces.append(piece)
            held_bytes += len(piece)
            if held_bytes >= _STEP_BYTES:
                await uploads.aside(partial(reader.feed, b"".join(pieces)))
                pieces, held_bytes = [], 0
    except ClientDisconnect:
        raise Cancelled("The client closed the connection before its request ended.") from None
    return await uploads.aside(partial(reader.complete, b"".join(pieces)))


def _boundary(request: Request) -> bytes:
    """What stands between the parts. Raises InvalidRequest where the request does not say it."""
    _, options = parse_options_header(request.headers.get("content-type", "").encode("latin-1"))
    if boundary := options.get(b"boundary"):
        return boundary
    raise unreadable("the header `Content-Type` names no boundary")
