"""How the pictures of a request travel to its worker: the first few inside, the rest as files."""

from collections.abc import Mapping
from functools import partial
from typing import TypeVar

import msgspec

from mlx_gui.core.blob import INLINE_BYTES, size_of
from mlx_gui.core.generation import GenerateRequest, ImagePart, Part, TokenizeRequest
from mlx_gui.store.uploads import RequestFiles, Uploads

R = TypeVar("R", GenerateRequest, TokenizeRequest)


def pictures_of(request: GenerateRequest | TokenizeRequest) -> tuple[ImagePart, ...]:
    """All pictures of a request, in their order."""
    inside = request.request if isinstance(request, TokenizeRequest) else request
    return tuple(
        part for message in inside.messages for part in message.parts if isinstance(part, ImagePart)
    )


def with_parts(request: R, parts: Mapping[int, Part]) -> R:
    """The same request, with other parts in the place of those with these `id`s."""
    if isinstance(request, TokenizeRequest):
        inside = with_parts(request.request, parts)
        return msgspec.structs.replace(request, request=inside)
    messages = tuple(
        msgspec.structs.replace(
            message, parts=tuple(parts.get(id(part), part) for part in message.parts)
        )
        for message in request.messages
    )
    return msgspec.structs.replace(request, messages=messages)


async def with_files(request: R, uploads: Uploads, files: RequestFiles) -> R:
    """The request, of which no more than `INLINE_BYTES` of pictures travel inside.

    `files` are the request's and hold the rest. Raises StoreError or DiskFull.
    """
    left_bytes = INLINE_BYTES
    kept: dict[int, Part] = {}
    for part in pictures_of(request):
        if not isinstance(part.data, bytes):
            continue
        if size_of(part.data) <= left_bytes:
            left_bytes -= size_of(part.data)
        else:
            blob = await uploads.aside(partial(files.keep, part.data))
            kept[id(part)] = msgspec.structs.replace(part, data=blob)
    return with_parts(request, kept) if kept else request
