"""How the pictures of a request travel to its worker: the first few inside, the rest as files."""

from collections.abc import Mapping
from functools import partial
from typing import TypeVar

import msgspec

from mlx_gui.core.blob import INLINE_BYTES, Content, size_of
from mlx_gui.core.generation import GenerateRequest, ImagePart, Part, TokenizeRequest
from mlx_gui.store.uploads import RequestFiles, Uploads

R = TypeVar("R", GenerateRequest, TokenizeRequest)


def pictures_of(request: GenerateRequest | TokenizeRequest) -> tuple[ImagePart, ...]:
    """All pictures of a request, in their order."""
    inside = request.request if isinstance(request, TokenizeRequest) else request
    return tuple(
        part for message in inside.messages for part in message.parts if isinstance(part, ImagePart)
    )


def with_contents(request: R, contents: Mapping[int, Content]) -> R:
    """The same request, in which the pictures with these `id`s have other contents."""
    if isinstance(request, TokenizeRequest):
        inside = with_contents(request.request, contents)
        return msgspec.structs.replace(request, request=inside)

    def replaced(part: Part) -> Part:
        content = contents.get(id(part)) if isinstance(part, ImagePart) else None
        return part if content is None else msgspec.structs.replace(part, data=content)

    messages = tuple(
        msgspec.structs.replace(message, parts=tuple(map(replaced, message.parts)))
        for message in request.messages
    )
    return msgspec.structs.replace(request, messages=messages)


async def with_files(request: R, uploads: Uploads, files: RequestFiles) -> R:
    """The request, of which no more than `INLINE_BYTES` of pictures travel inside.

    `files` are the request's and hold the rest. Raises StoreError or DiskFull.
    """
    left_bytes = INLINE_BYTES
    kept: dict[int, Content] = {}
    for part in pictures_of(request):
        if not isinstance(part.data, bytes):
            continue
        if size_of(part.data) <= left_bytes:
            left_bytes -= size_of(part.data)
        else:
            kept[id(part)] = await uploads.aside(partial(files.keep, part.data))
    return with_contents(request, kept) if kept else request
